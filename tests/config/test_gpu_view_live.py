"""A real Prometheus scrapes what dcgm-exporter tells, and the lab service asks it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from dcgm_exporters import HOMES, Exporters, FakePods, exporters
from monitoring import Prometheus, scraping

from dllab_hub.backends.kubernetes.gpu_settings import GpuMetrics
from dllab_hub.backends.kubernetes.gpus import ClusterGpus
from dllab_hub.server.stream import as_seen
from dllab_hub.shim.ports import free_port
from dllab_hub.specs import Gpu, GpuReport, GpuState, GpuTotals

_MIB = 1 << 20


class Watched:
    """The GPUs of two machines, a Prometheus that can be stopped, and who asks it."""

    def __init__(self, home: Path, told: Exporters) -> None:
        self.told, self._home, self._port = told, home, free_port()
        self._running = ExitStack()
        self.pods = FakePods()
        self.settings = GpuMetrics(url=f"http://127.0.0.1:{self._port}/", every=1)
        self.gpus = ClusterGpus(lambda: self.settings, lambda: self.pods, lambda: HOMES)

    def start(self) -> Prometheus:
        said = self.told.scraped()
        return self._running.enter_context(scraping(self._home, said, self._port))

    def stop(self) -> None:
        self._running.close()

    def until(self, good: Callable[[GpuReport], bool], seconds: float = 20) -> GpuReport:
        """Read once in a while until a report is as it should be."""
        deadline = time.monotonic() + seconds
        while not good(report := self.gpus.read()):
            assert time.monotonic() < deadline, report
            time.sleep(0.1)
        return report

    def seen(self, person: str | None) -> GpuReport:
        """The GPUs as a person may see them."""
        report = self.gpus.read()
        return as_seen(report, self.gpus.holders([gpu.uuid for gpu in report.gpus]), person)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """All of it; Prometheus does not run yet."""
    with exporters() as told:
        made = Watched(tmp_path / "prometheus", told)
        yield made
        made.stop()


def _by_place(report: GpuReport) -> dict[str, Gpu]:
    return {f"{gpu.node}/{gpu.label}": gpu for gpu in report.gpus}


def test_what_is_measured_is_what_is_shown(watched: Watched) -> None:
    """Load, memory, heat and power of each GPU and slice come as the exporters told them; what
    they did not know is not there.
    """
    watched.start()
    report = watched.until(lambda report: len(report.gpus) == 10)
    gpus = _by_place(report)
    busy, blank, slice, whole = (gpus[key] for key in ("n1/0", "n1/3", "n2/1:7", "n2/1"))

    assert (GpuState.OK, "", "570.124.06") == (report.state, report.message, report.driver)
    assert ["n1/0", "n1/1", "n1/2", "n1/3", "n2/0", "n2/1", "n2/1:7", "n2/1:8", "n2/2", "n2/3"] == (
        list(gpus)
    )
    assert (0.93, 40960 * _MIB, (40960 + 40000 + 559) * _MIB) == (
        busy.utilization, busy.memory_used, busy.memory_total
    )  # fmt: skip
    assert (66, 90, 71.5, 700.0, 1.98e9) == (
        busy.temperature, busy.temperature_slowdown, busy.power, busy.power_limit, busy.clock
    )  # fmt: skip
    assert (("power_cap", "hw_thermal"), {43: 1}) == (busy.throttle, gpus["n1/2"].xids)
    assert (None, None, None) == (
        blank.temperature, blank.utilization, blank.temperature_slowdown
    )  # fmt: skip
    assert (True, None, 41, None) == (
        whole.divided, whole.utilization, whole.temperature, whole.memory_used
    )  # fmt: skip
    assert ("1g.10gb", 0.25, 1000 * _MIB, 10000 * _MIB) == (
        slice.mig, slice.utilization, slice.memory_used, slice.memory_total
    )  # fmt: skip
    assert abs(time.time() - report.time) < 10


def test_two_people_and_an_administrator(watched: Watched) -> None:
    """Each sees what their own pods have, and numbers of the rest; who may see all sees whose it
    all is. What another pod says of itself, or an exporter of a pod, gives nobody anything.
    """
    watched.start()
    watched.until(lambda report: len(report.gpus) == 10)
    hers, his, nobody, all_of_it = map(watched.seen, ("ada", "grace", "", None))

    assert {"n1/0": "digits", "n1/1": "digits", "n2/0": "digits"} == _names(hers)
    assert {"n1/2": "default", "n2/1": "", "n2/1:7": "runs"} == _names(his)
    assert () == nobody.gpus
    assert {"job", "deployment"} == {gpu.holder.kind for gpu in hers.gpus if gpu.holder}
    # Of the nine that can be had one is free, and one is only said to be a pod's.
    assert (3, 3) == (hers.others.held, hers.others.free) if hers.others else None
    assert GpuTotals(
        held=6, free=3, busy=5, memory_used=(40960 + 1000) * _MIB,
        memory_total=((40960 + 40000 + 559) + 4 * 80559 + 10000) * _MIB,
    ) == nobody.others  # fmt: skip
    assert "grace" not in hers.model_dump_json()
    assert "ada" not in his.model_dump_json()
    assert "team/render-0" not in hers.model_dump_json()
    known = {key: gpu.holder for key, gpu in _by_place(all_of_it).items() if gpu.holder}
    assert ("/", "team/render-0") == (known["n2/2"].owner, known["n2/2"].name)
    assert ("ada", "ada", "grace", "ada", "grace") == tuple(
        known[key].owner for key in ("n1/0", "n1/1", "n1/2", "n2/0", "n2/1:7")
    )
    assert "n2/3" not in known
    assert all_of_it.others is None


def _names(report: GpuReport) -> dict[str, str]:
    return {key: gpu.holder.name if gpu.holder else "" for key, gpu in _by_place(report).items()}


def test_prometheus_stops_and_is_back(watched: Watched) -> None:
    """That it is gone is said at once, beside its last values; nobody waits; it heals by itself."""
    watched.start()
    watched.until(lambda report: len(report.gpus) == 10)
    watched.stop()
    began = time.monotonic()
    gone = watched.until(lambda report: report.state is not GpuState.OK)
    said = time.monotonic() - began
    waits = []
    for _ in range(5):
        began = time.monotonic()
        watched.gpus.read()
        waits.append(time.monotonic() - began)
    watched.start()
    began = time.monotonic()
    back = watched.until(lambda report: report.state is GpuState.OK)
    print(f"said after {said:.1f} s, back after {time.monotonic() - began:.1f} s, {max(waits):.2f}")

    assert (GpuState.STALE, 10) == (gone.state, len(gone.gpus))
    assert "cannot be reached; these are its last values" in gone.message
    assert "127.0.0.1" not in gone.message + gone.hint
    assert said < 5
    assert max(waits) < 1
    assert ("", 10) == (back.message, len(back.gpus))


def test_series_that_an_administrator_trusts(watched: Watched) -> None:
    """With labels in the settings no other series count, and without any it is said what lacks."""
    watched.start()
    watched.until(lambda report: len(report.gpus) == 10)
    watched.settings = watched.settings.model_copy(update={"labels": {"job": "dcgm-n1"}})
    one = watched.until(lambda report: len(report.gpus) == 4)
    watched.settings = watched.settings.model_copy(update={"labels": {"job": "another"}})
    none = watched.until(lambda report: report.state is GpuState.NO_GPU)

    assert {"n1"} == {gpu.node for gpu in one.gpus}
    assert "knows no GPU" in none.message
    assert "NODE_NAME" in none.hint


@pytest.mark.parametrize(
    ("name", "read", "count"),
    [
        ("utilization_ratio", "utilization", 8),
        ("memory_used_bytes", "memory_used", 9),
        ("memory_total_bytes", "memory_total", 9),
        ("temperature_celsius", "temperature", 6),
        ("power_watts", "power", 7),
        ("power_limit_watts", "power_limit", 7),
        ("clock_hertz", "clock", 7),
    ],
)
def test_the_recording_rules_say_the_same(
    rules: tuple[Prometheus, GpuReport], name: str, read: str, count: int
) -> None:
    """What the rules record of a live exporter is what people are shown, GPU for GPU."""
    prometheus, report = rules
    told = {
        f"{one['metric']['node']}/{one['metric']['gpu']}": float(one["value"][1])
        for one in prometheus.until(f"dllab_gpu_{name}")
    }
    shown = {
        key: value
        for key, gpu in _by_place(report).items()
        if (value := getattr(gpu, read)) is not None
    }
    # The exporter says of each slice what holds for the whole, which has no series of its own.
    told = {key: value for key, value in told.items() if key in shown}
    shown = {key: value for key, value in shown.items() if key != "n2/1"}

    assert count == len(shown)
    assert shown == pytest.approx(told)


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, GpuReport]]:
    """One Prometheus with recorded series, and the report of the same exporters."""
    with exporters() as told:
        made = Watched(tmp_path_factory.mktemp("prometheus"), told)
        prometheus = made.start()
        report = made.until(lambda report: len(report.gpus) == 10)
        prometheus.until("count(dllab_gpu_up) == 9")
        yield prometheus, report
        made.stop()


def test_who_holds_what_by_the_rules(rules: tuple[Prometheus, GpuReport]) -> None:
    """Both forms of the labels become the pod that has a GPU, and no exporter holds one."""
    prometheus, _ = rules
    held = {
        f"{one['metric']['node']}/{one['metric']['gpu']}": one["metric"]["pod"]
        for one in prometheus.until("dllab_gpu_holder_info")
    }

    assert "digits-bcdfghj-worker-0-0-x7k2p" == held["n1/0"] == held["n1/1"]
    assert "runs-cdfghjk-worker-0-0-q8w4z" == held["n2/1:7"]
    assert {"n1/0", "n1/1", "n1/2", "n2/0", "n2/1:7", "n2/2", "n2/3"} == set(held)
    assert 2 == len(prometheus.query("dllab_gpu_allocated == 0"))
