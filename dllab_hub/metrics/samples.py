"""What is measured, as numbers with names: the same for Prometheus and for our own alerts.

Names and units as Prometheus wants them: seconds, bytes, ratios, degrees Celsius, watts, hertz. No
name of a person is among the labels. A job's id, the name of a deployment and what tells people
apart are there only where ``private`` says that nobody sees them who may not.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..specs import (
    Deployment,
    Gpu,
    GpuCondition,
    GpuReport,
    Holder,
    Host,
    JobState,
    ReplicaState,
    TrainingJob,
    VersionTraffic,
)
from ..specs.tally import LATENCIES

__all__ = (
    "Sample", "deployment_samples", "gpu_samples", "host_samples", "job_samples", "owner_hash",
)  # fmt: skip

#: For how many of its usual times between two reports a job may be silent, and for how many
#: seconds it may be in any case.
_LATE, _LEAST = 3.0, 600.0
#: It will not come back by itself. A read that failed may be better a second later.
_LOST = (GpuCondition.LOST, GpuCondition.RESET_REQUIRED)
#: What a job that is live can be in; one that is paused is not.
_LIVE = (JobState.PENDING, JobState.RUNNING, JobState.RESTARTING)


class Sample(NamedTuple):
    """One number of one series at one moment.

    Attributes:
        name: Of the metric.
        value: In the unit that the name ends in.
        labels: Which of its series.
    """

    name: str
    value: float
    labels: Mapping[str, str] = MappingProxyType({})


def owner_hash(owner: str) -> str:
    """Tells people apart without naming them: 12 hexadecimal digits; empty for nobody."""
    return hashlib.sha256(owner.encode()).hexdigest()[:12] if owner else ""


def gpu_samples(
    report: GpuReport, holders: Mapping[str, Holder], *, private: bool = True
) -> Iterator[Sample]:
    """All GPUs at one moment. What the driver does not tell is not there, rather than 0.

    Args:
        report: Of the machine, or of the machines of a cluster.
        holders: Who holds which GPU, with all names, by UUID.
        private: Whether only those come who may tell the people apart that hold GPUs. Whoever knows
            the names of all people can find out whose hash it is.
    """
    for gpu in report.gpus:
        at = {"gpu": gpu.label, "uuid": gpu.uuid, "node": gpu.node}
        about = {"model": gpu.name, "driver": report.driver, "mig_profile": gpu.mig}
        yield Sample("dllab_gpu_info", 1, {**at, **about})
        # One that this account may not read may be as well as any; a slice is as its GPU is.
        if gpu.condition is not GpuCondition.NOT_PERMITTED and gpu.slice is None:
            yield Sample("dllab_gpu_up", gpu.condition is GpuCondition.OK, at)
            yield Sample("dllab_gpu_lost", gpu.condition in _LOST, at)
        for name, value in _measured(gpu).items():
            if value is not None:
                yield Sample(f"dllab_gpu_{name}", value, at)
        for kind in ("slowdown", "shutdown"):
            limit = getattr(gpu, f"temperature_{kind}")
            if limit is not None:
                labels = {**at, "kind": kind}
                yield Sample("dllab_gpu_temperature_limit_celsius", limit, labels)
        for reason in gpu.throttle or ():
            yield Sample("dllab_gpu_throttle", 1, {**at, "reason": reason})
        for kind in ("corrected", "uncorrected"):
            count = getattr(gpu, f"ecc_{kind}")
            if count is not None:
                yield Sample("dllab_gpu_ecc_errors_total", count, {**at, "type": kind})
        for xid, count in sorted(gpu.xids.items()):
            yield Sample("dllab_gpu_xid_errors_total", count, {**at, "xid": str(xid)})
        if gpu.divided:
            continue  # Its slices are what somebody can have.
        holder = holders.get(gpu.uuid)
        yield Sample("dllab_gpu_allocated", holder is not None, at)
        if holder is not None:
            user = holder.lent_to or holder
            whose = {"owner_hash": owner_hash(user.owner)} if private else {}
            yield Sample("dllab_gpu_holder_info", 1, {**at, "kind": user.kind, **whose})


def job_samples(jobs: Iterable[TrainingJob], *, private: bool) -> Iterator[Sample]:
    """The jobs that wait or run.

    Args:
        jobs: Of everybody.
        private: Whether only those come who may know the ids of jobs.
    """
    counts = dict.fromkeys(_LIVE, 0)
    for job in jobs:
        if job.state not in counts:
            continue
        counts[job.state] += 1
        if private and job.state.is_running:
            yield from _job(job)
    for state, count in counts.items():
        yield Sample("dllab_jobs", count, {"state": state.value})


def _job(job: TrainingJob) -> Iterator[Sample]:
    at = {"job_id": job.id}
    progress = job.progress
    if progress is not None:
        yield Sample("dllab_job_step", progress.step, at)
        yield Sample("dllab_job_last_step_timestamp_seconds", progress.time, at)
        if progress.interval is not None:
            late = max(_LATE * progress.interval, _LEAST)
            yield Sample("dllab_job_step_limit_seconds", late, at)
    yield Sample("dllab_job_restarts_total", max(job.attempt - 1, 0), at)
    for state, count in Counter(replica.state.value for replica in job.replicas).items():
        yield Sample("dllab_job_workers", count, {**at, "state": state})


def deployment_samples(deployments: Iterable[Deployment], *, private: bool) -> Iterator[Sample]:
    """What is served. Without ``private`` only how many replicas there are in each state."""
    totals = dict.fromkeys((state.value for state in ReplicaState), 0)
    for each in deployments:
        counts = Counter(replica.state.value for replica in each.replicas)
        for state, count in counts.items():
            totals[state] += count
        if not private:
            continue
        at = {"endpoint": f"{owner_hash(each.owner)}/{each.spec.name}"}
        for state, count in counts.items():
            yield Sample("dllab_endpoint_replicas", count, {**at, "state": state})
        if (traffic := each.traffic) is not None:
            yield Sample("dllab_endpoint_requests_total", traffic.requests, at)
            yield Sample("dllab_endpoint_failures_total", traffic.failed, at)
            yield Sample("dllab_endpoint_inflight", traffic.waiting, at)
            if traffic.latency is not None:
                yield Sample("dllab_endpoint_latency_seconds", traffic.latency, at)
        for seen in each.versions:
            yield from _version(each, seen, {**at, "version": str(seen.version)})
    for state, count in totals.items():
        yield Sample("dllab_replicas", count, {"state": state})


def _version(deployment: Deployment, seen: VersionTraffic, at: dict[str, str]) -> Iterator[Sample]:
    """One that serves now: of versions that were before there is no series."""
    yield Sample("dllab_endpoint_version_traffic_ratio", seen.percent / 100, at)
    yield Sample("dllab_endpoint_version_ready_replicas", seen.ready, at)
    if (traffic := deployment.traffic) is not None:
        own = (one.name for one in deployment.replicas if one.version == seen.version)
        busy = sum(traffic.busy.get(name, 0) for name in own)
        yield Sample("dllab_endpoint_version_inflight", busy, at)
    if (tally := seen.tally) is None:
        return
    yield Sample("dllab_endpoint_version_requests_total", tally.requests, at)
    yield Sample("dllab_endpoint_version_failures_total", tally.failed, at)
    name, count = "dllab_endpoint_version_latency_seconds", tally.requests - tally.failed
    for bound, within in (*zip(LATENCIES, tally.within, strict=True), (math.inf, count)):
        yield Sample(
            f"{name}_bucket", within, {**at, "le": "+Inf" if bound == math.inf else f"{bound}"}
        )
    yield Sample(f"{name}_sum", tally.seconds, at)
    yield Sample(f"{name}_count", count, at)


def host_samples(host: Host) -> Iterator[Sample]:
    """The machine or container that measures. What cannot be read is not there."""
    found = {
        "cpus_used": host.cpu,
        "cpus": host.cpus,
        "memory_used_bytes": host.memory,
        "memory_limit_bytes": host.memory_limit,
    }
    for name, value in found.items():
        if value is not None:
            yield Sample(f"dllab_host_{name}", value)
    for disk in host.disks:
        at = {"volume": disk.name}
        yield Sample("dllab_host_disk_used_bytes", disk.used, at)
        yield Sample("dllab_host_disk_total_bytes", disk.total, at)


def _measured(gpu: Gpu) -> dict[str, float | None]:
    """By the end of the metric's name."""
    return {
        "utilization_ratio": gpu.utilization,
        "memory_used_bytes": gpu.memory_used,
        "memory_total_bytes": gpu.memory_total,
        "temperature_celsius": gpu.temperature,
        "power_watts": gpu.power,
        "power_limit_watts": gpu.power_limit,
        "clock_hertz": gpu.clock,
        "memory_clock_hertz": gpu.memory_clock,
        "pcie_sent_bytes_per_second": gpu.pcie_sent,
        "pcie_received_bytes_per_second": gpu.pcie_received,
        "nvlink_bytes_per_second": gpu.nvlink,
        "row_remap_failure": gpu.remap_failed,
        "recovery_action": gpu.recovery,
    }
