"""The last minutes are remembered in order, whatever clocks do and whoever else was watching."""

from dllab_hub.metrics.history import History
from dllab_hub.specs import Gpu, GpuReport, GpuSample, GpuState


def report(time: float, *, gpus: int = 1) -> GpuReport:
    cards = tuple(
        Gpu(
            index=n, uuid=f"GPU-{n}", name="H100", utilization=0.5, memory_used=2**30,
            memory_total=2**34, temperature=40, power=71.5,
        )
        for n in range(gpus)
    )  # fmt: skip
    return GpuReport(state=GpuState.OK, time=time, gpus=cards)


def times(history: History) -> list[float]:
    return [sample.time for sample in history.samples()]


def test_only_what_changes_is_remembered() -> None:
    """A sample has what is drawn, and neither names nor holders."""
    history = History()
    history.add(report(1.0, gpus=2))

    reading = {"utilization": 0.5, "memory_used": 2**30, "temperature": 40, "power": 71.5}
    assert {
        "time": 1.0,
        "gpus": [{"uuid": "GPU-0", **reading}, {"uuid": "GPU-1", **reading}],
    } == history.samples()[0].to_wire()


def test_the_oldest_are_forgotten() -> None:
    """What is older than the span goes as something new comes."""
    history = History(span=10)
    for time in range(25):
        history.add(report(float(time)))

    assert [float(time) for time in range(15, 25)] == times(history)


def test_a_machine_without_gpus_has_no_past() -> None:
    """A report without GPUs is not a sample."""
    history = History()
    history.add(report(1.0, gpus=0))

    assert () == history.samples()


def test_a_clock_that_is_set_back() -> None:
    """Times always rise: what would be in the future is forgotten, and the same moment is once."""
    history = History()
    for time in (1.0, 2.0, 3.0, 100.0, 2.5, 2.5):
        history.add(report(time))

    assert [1.0, 2.0, 2.5] == times(history)


def test_what_somebody_else_has_seen() -> None:
    """Gaps are filled; what both have seen is there once, and the span holds for all."""
    history = History(span=10)
    for time in (1.0, 5.0, 6.0):
        history.add(report(time))
    history.merge(GpuSample.of(report(time)) for time in (5.0, 3.0, 9.0, 12.0))

    assert [3.0, 5.0, 6.0, 9.0, 12.0] == times(history)
