"""GPUs in interesting states, as values."""

from __future__ import annotations

from dllab_hub.specs import Gpu, GpuCondition, GpuProcess, GpuReport, GpuState, Holder

__all__ = ("BLIND", "BUSY", "DIVIDED", "JOB", "LAB", "LOST", "SLICE", "report_of")

_GIB = 2**30
LAB = Holder(kind="lab", owner="ada", name="mine", id="mine-1", lend=True)
JOB = Holder(kind="job", owner="ada", name="digits", id="digits-1")
#: One that works hard and is slowed down; three processes are on it.
BUSY = Gpu(
    index=0,
    uuid="GPU-0",
    name="NVIDIA H100 <80GB>",
    utilization=0.42,
    memory_used=10 * _GIB,
    memory_total=80 * _GIB,
    temperature=91,
    temperature_slowdown=90,
    power=350.4,
    power_limit=700.0,
    throttle=("sw_thermal", "hw_thermal", "power_cap"),
    holder=LAB,
    processes=(
        GpuProcess(pid=4711, memory=3 * _GIB, name="python3.11", holder=JOB, replica="worker-0"),
        GpuProcess(memory=_GIB),
        GpuProcess(memory=_GIB, holder=Holder(kind="job")),
    ),
)
#: One of which the driver tells nothing.
BLIND = Gpu(index=1, uuid="GPU-1", name="NVIDIA H100", holder=Holder(kind="job"))
DIVIDED = Gpu(index=2, uuid="GPU-2", name="NVIDIA H100", divided=True, temperature=40)
SLICE = Gpu(
    index=2,
    slice=1,
    uuid="MIG-1",
    name="NVIDIA H100 MIG 1g.10gb",
    mig="1g.10gb",
    memory_used=_GIB,
    memory_total=10 * _GIB,
    holder=JOB.model_copy(update={"name": "a-name-that-is-much-longer-than-a-line-has-room"}),
)
LOST = Gpu(
    index=10,
    uuid="GPU-10",
    name="NVIDIA RTX 6000 Ada Generation",
    condition=GpuCondition.LOST,
    error="This GPU fell off the bus. Restart the machine to get it back. " * 2,
    withdrawn="It is given to nobody until it is healthy again.",
)


def report_of(*gpus: Gpu) -> GpuReport:
    """A report of these."""
    return GpuReport(state=GpuState.OK, time=1.0, driver="575.64.03", gpus=gpus)
