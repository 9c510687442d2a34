"""Things that can be measured: a GPU that tells everything, a job, a deployment."""

from __future__ import annotations

from typing import Any

from dllab_hub.specs import (
    Code,
    Deployment,
    DeploymentReplica,
    DeploymentSpec,
    DeploymentState,
    Gpu,
    GpuReport,
    GpuState,
    Holder,
    JobState,
    ReplicaState,
    Traffic,
    TrainingJob,
    TrainingSpec,
    VersionTraffic,
)
from dllab_hub.specs.tally import Tally

__all__ = ("ADA", "FULL", "UUID", "deployment", "job", "report")

UUID = "GPU-00000000-0000-0000-0000-000000000000"
#: Everything that a driver could tell, and twelve kinds of errors.
FULL = Gpu(
    index=0, uuid=UUID, name="NVIDIA H100", utilization=0.5, memory_used=10, memory_total=20,
    temperature=40, temperature_slowdown=90, temperature_shutdown=95, power=70.0, power_limit=700.0,
    clock=1.98e9, memory_clock=2.6e9, ecc_corrected=3, ecc_uncorrected=0, remap_failed=False,
    throttle=("power_cap", "hw_slowdown", "sw_thermal", "hw_thermal", "power_brake"), recovery=0,
    xids=dict.fromkeys(range(40, 52), 1), pcie_sent=1.0, pcie_received=2.0, nvlink=3.0,
)  # fmt: skip
ADA = Holder(kind="lab", owner="ada", name="thesis", id="thesis-bcdfghj")


def report(*gpus: Gpu) -> GpuReport:
    return GpuReport(state=GpuState.OK, time=1.0, driver="570.1", gpus=gpus)


def job(state: JobState = JobState.RUNNING, **more: Any) -> TrainingJob:
    spec = TrainingSpec(name="secret", image="here", code=Code(source="pass"))
    fields = {"id": "secret-bcdfghj", "owner": "ada", "spec": spec, "created": 1.0, **more}
    return TrainingJob(state=state, **fields)


def deployment(**more: Any) -> Deployment:
    fields = {
        "name": "digits", "owner": "ada", "version": 1, "state": DeploymentState.READY,
        "spec": DeploymentSpec(name="digits", model="digits"), "created": 1.0, "updated": 1.0,
        "replicas": (DeploymentReplica(name="replica-1", version=1, state=ReplicaState.READY),),
        "traffic": Traffic(requests=10, failed=2, waiting=1, latency=0.25),
        "versions": (VersionTraffic(version=1, percent=100, ready=1, tally=Tally()),),
    }  # fmt: skip
    return Deployment(**{**fields, **more})
