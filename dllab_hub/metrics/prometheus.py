"""Samples in Prometheus's own text form: `render`, and `Exposed` for a registry that is there.

One table names every series with its help text, so that what is measured and not explained is a
fault of ours and not a gap in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from .samples import Sample

__all__ = ("CONTENT_TYPE_LATEST", "HELP", "Exposed", "families", "family_of", "render")

#: What each series is, by its name. Those whose name ends in ``_total`` only grow; a histogram is
#: three series, whose names go on with `_PARTS`.
HELP = {
    "dllab_gpu_info": "What a GPU, or a MIG slice of one, is. Always 1.",
    "dllab_gpu_up": "Whether the GPU can be read.",
    "dllab_gpu_lost": "Whether the GPU is lost, or has to be reset.",
    "dllab_gpu_utilization_ratio": "Share of the last second in which a kernel ran.",
    "dllab_gpu_memory_used_bytes": "Memory of the GPU in use.",
    "dllab_gpu_memory_total_bytes": "Memory of the GPU.",
    "dllab_gpu_temperature_celsius": "Temperature of the GPU.",
    "dllab_gpu_temperature_limit_celsius": (
        "Temperature at which the GPU slows down (slowdown) or turns itself off (shutdown)."
    ),
    "dllab_gpu_power_watts": "Power that the GPU draws.",
    "dllab_gpu_power_limit_watts": "Power that the GPU may draw.",
    "dllab_gpu_clock_hertz": "Clock of the GPU's processors.",
    "dllab_gpu_memory_clock_hertz": "Clock of the GPU's memory.",
    "dllab_gpu_pcie_sent_bytes_per_second": "From the GPU to the machine. Only if asked for.",
    "dllab_gpu_pcie_received_bytes_per_second": "From the machine to the GPU. Only if asked for.",
    "dllab_gpu_nvlink_bytes_per_second": "Over all NVLinks, both ways. Only if asked for.",
    "dllab_gpu_row_remap_failure": "Whether a row of memory could not be replaced.",
    "dllab_gpu_recovery_action": (
        "What NVIDIA says has to be done: 0 nothing, 1 reset the GPU, 2 restart the machine, "
        "3 start nothing new on it, 4 likewise and then reset it."
    ),
    "dllab_gpu_throttle": "1 for each reason why the GPU runs slower than it could.",
    "dllab_gpu_ecc_errors_total": "Memory errors since the driver was loaded.",
    "dllab_gpu_xid_errors_total": "Errors that the driver reported since it is watched, by Xid.",
    "dllab_gpu_allocated": "Whether somebody holds the GPU.",
    "dllab_gpu_holder_info": "Who holds the GPU: a lab, a job or a deployment. Always 1.",
    "dllab_jobs": "Jobs that wait or run.",
    "dllab_job_step": "Steps that a job has done, as it last said.",
    "dllab_job_last_step_timestamp_seconds": "When a job last told of its progress.",
    "dllab_job_step_limit_seconds": (
        "How long a job may be silent, by the time between its reports, before it is stalled."
    ),
    "dllab_job_workers": "Processes of a job's newest attempt.",
    "dllab_job_restarts_total": "How often a job was relaunched.",
    "dllab_replicas": "Processes that serve models.",
    "dllab_endpoint_replicas": "Processes of a deployment.",
    "dllab_endpoint_requests_total": "Requests to a deployment that were answered.",
    "dllab_endpoint_failures_total": "Of these, with a 5xx.",
    "dllab_endpoint_inflight": "Requests to a deployment in a queue or with a replica now.",
    "dllab_endpoint_latency_seconds": "Mean over the last 1024 answers of a deployment.",
    "dllab_endpoint_version_requests_total": (
        "Requests that a version of a deployment has answered, as whoever asked has seen it."
    ),
    "dllab_endpoint_version_failures_total": "Of these, with a 5xx or not at all.",
    "dllab_endpoint_version_latency_seconds": "Of answers of a version that did not fail.",
    "dllab_endpoint_version_traffic_ratio": "Part of the requests that a version is to get.",
    "dllab_endpoint_version_ready_replicas": "Processes of a version that answer.",
    "dllab_endpoint_version_inflight": "Requests with the processes of a version now.",
    "dllab_endpoint_signal_inflight": "Requests in flight, or the last number that was known.",
    "dllab_endpoint_signal_queue": "Of these, those that wait, for each replica that answers.",
    "dllab_endpoint_signal_latency_seconds": "Mean latency, or the last one that was known.",
    "dllab_endpoint_signal_gpu_utilization_ratio": "Mean load of the GPUs of a deployment.",
    "dllab_endpoint_signal_age_seconds": "Age of a signal of a deployment.",
    "dllab_endpoint_signal_held": "1 while a signal's source is gone and its last value is held.",
    "dllab_sampler_errors_total": "Reads of the GPUs that failed, by the kind of error.",
    "dllab_sampler_age_seconds": "Age of what is known of the GPUs; before that, of the wait.",
    "dllab_service_up": "Whether the service of jobs and deployments has started.",
    "dllab_watch_last_event_timestamp_seconds": (
        "When what is known of the cluster's objects was last up to date."
    ),
    "dllab_ws_clients": "Open connections on which GPUs are watched.",
    "dllab_ws_dropped_total": "Frames that were not sent as their receiver was too slow.",
    "dllab_host_cpus_used": "CPUs in use, of this machine or container.",
    "dllab_host_cpus": "CPUs that may be used.",
    "dllab_host_memory_used_bytes": "Memory in use that cannot be given back at once.",
    "dllab_host_memory_limit_bytes": "Memory that may be used.",
    "dllab_host_disk_used_bytes": "What is stored on a file system.",
    "dllab_host_disk_total_bytes": "What fits on a file system.",
}


_PARTS = ("_bucket", "_sum", "_count")
_KINDS: dict[str, Callable[[str, str], Metric]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def family_of(name: str) -> tuple[str, str]:
    """What a series is a part of, as `HELP` has it, and of which type that is.

    >>> family_of("dllab_jobs"), family_of("dllab_endpoint_version_latency_seconds_sum")
    (('dllab_jobs', 'gauge'), ('dllab_endpoint_version_latency_seconds', 'histogram'))
    """
    if name.endswith("_total"):
        return name, "counter"
    for part in _PARTS:
        if (whole := name.removesuffix(part)) != name and whole in HELP:
            return whole, "histogram"
    return name, "gauge"


def families(samples: Iterable[Sample]) -> Iterator[Metric]:
    """The samples, those of one name together, as Prometheus wants them.

    Raises:
        KeyError: one has no entry in `HELP`.
    """
    found: dict[str, Metric] = {}
    for sample in samples:
        name, kind = family_of(sample.name)
        metric = found.get(name)
        if metric is None:
            metric = found[name] = _KINDS[kind](name, HELP[name])
        # Not `add_metric`, which wants the same labels everywhere in the same order.
        metric.add_sample(sample.name, dict(sample.labels), float(sample.value))
    yield from found.values()


def render(samples: Iterable[Sample]) -> bytes:
    """All of the samples as text, of the type `CONTENT_TYPE_LATEST`.

    By hand: prometheus_client takes 8 ms for the lines of 8 GPUs and 100 jobs, this 2.

    Raises:
        KeyError: one has no entry in `HELP`.
    """
    found: dict[str, list[str]] = {}
    known: dict[str, list[str]] = {}  # The lines that those of a name go to.
    for name, value, labels in samples:
        lines = known.get(name)
        if lines is None:
            whole, kind = family_of(name)
            lines = known[name] = found.setdefault(whole, [])
            if not lines:
                lines.append(f"# HELP {whole} {HELP[whole]}\n# TYPE {whole} {kind}\n")
        # An empty label is none for Prometheus.
        words = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items() if word)
        said = f"{{{words}}}" if words else ""
        lines.append(f"{name}{said} {float(value)!r}\n")
    return "".join(line for lines in found.values() for line in lines).encode()


def _escaped(word: str) -> str:
    if word.isalnum():
        return word
    return word.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Exposed(Collector):
    """Samples in a registry, made anew at each scrape.

    Args:
        samples: Those of now. Must not wait: in a Jupyter server a scrape is answered on its event
            loop.
    """

    def __init__(self, samples: Callable[[], Iterable[Sample]]) -> None:
        self._samples = samples

    def describe(self) -> Iterator[Metric]:
        """Nothing: what is there differs from scrape to scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What the samples say now."""
        return families(self._samples())
