"""The GPUs of a cluster's machines, as people see them through the lab service and their labs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from served import Host, Loop, StubHub
from watching import Watching, names, past, tick, watching

from dllab_hub.metrics.sampler import Sampler
from dllab_hub.server import stream as stream_module
from dllab_hub.server.relay import Relay
from dllab_hub.server.seen import Fleet
from dllab_hub.specs import Gpu, GpuCondition, GpuReport, GpuState, GpuTotals, Holder
from dllab_hub.specs.capacity import NOBODY
from dllab_hub.tables import gpus_text

_GIB = 1 << 30
ADA = Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")
GRACE = Holder(kind="lab", owner="grace", name="secret", id="jupyter-grace")
HELD = {
    "GPU-0": ADA,
    "GPU-1": GRACE,
    "GPU-2/7": ADA,
    "GPU-4": Holder(kind="job", owner=NOBODY, name="team/render-0"),
}


def gpu(node: str, index: int, **more: object) -> Gpu:
    """One that does something."""
    usual = {"utilization": 0.5, "memory_used": _GIB, "memory_total": 4 * _GIB}
    where = {"index": index, "uuid": f"GPU-{index}", "name": "H100", "node": node}
    return Gpu(**{**where, **usual, **more})


GPUS = (
    gpu("n1", 0),
    gpu("n1", 1),
    gpu("n2", 2, divided=True, utilization=None),
    gpu("n2", 2, slice=7, uuid="GPU-2/7", mig="1g.10gb"),
    gpu("n2", 2, slice=8, uuid="GPU-2/8", mig="1g.10gb"),
    gpu("n2", 3, condition=GpuCondition.FAILED, error="Nothing has been heard of it."),
    gpu("n2", 4, utilization=0.01),
)


class Far:
    """Told of machines that are elsewhere, four times a second; says new things when it has to."""

    def __init__(self) -> None:
        self.report = self._made()

    def __call__(self) -> GpuReport:
        return self.report

    def change(self) -> None:
        self.report = self._made()

    @staticmethod
    def _made() -> GpuReport:
        return GpuReport(state=GpuState.OK, time=time.time(), driver="570.1", gpus=GPUS)


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def watch(
    loop: Loop, service: Host, far: Far, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watching]:
    """Watches the lab service of a cluster."""
    with watching(loop) as watch:
        watch.live(service, read=far, interval=0.25, linger=2)
        monkeypatch.setattr(service.lab, "_find_holders", lambda _: HELD)
        monkeypatch.setattr(service.lab, "kind", "kubernetes")
        yield watch


def asked(host: Host, token: str) -> GpuReport:
    headers = {"Authorization": f"token {token}"}
    return GpuReport.from_wire(
        httpx.get(f"{host.url}gpus", headers=headers, trust_env=False).json()
    )


def test_who_sees_what(service: Host, watch: Watching, a_hub: StubHub) -> None:
    """Each sees their own by name, with its machine, and numbers of the rest; an administrator
    sees whose they all are, and what is none of ours.
    """
    a_hub.add("the-admin", "root", admin=True)
    a_hub.add("eve-token", "eve")
    hers, his, nobodys, all_of_it = (
        asked(service, token) for token in ("ada-token", "grace-token", "eve-token", "the-admin")
    )

    assert ["n1 0 digits", "n2 2 ", "n2 2:7 digits"] == _told(hers)
    assert ["n1 1 secret"] == _told(his)
    assert () == nobodys.gpus
    assert GpuTotals(
        held=2, free=1, out=1, busy=1, memory_used=2 * _GIB, memory_total=8 * _GIB
    ) == (hers.others)
    assert GpuTotals(
        held=4, free=1, out=1, busy=3, memory_used=4 * _GIB, memory_total=16 * _GIB
    ) == (nobodys.others)
    assert (7, None) == (len(all_of_it.gpus), all_of_it.others)
    assert ["digits", "secret", None, "digits", None, None, "team/render-0"] == names(all_of_it)
    for report, hidden in ((hers, ("grace", "GPU-1", "team")), (nobodys, ("ada", "GPU-"))):
        assert not [word for word in hidden if word in report.model_dump_json()]


def _told(report: GpuReport) -> list[str]:
    return [
        f"{gpu.node} {gpu.label} {gpu.holder.name if gpu.holder else ''}" for gpu in report.gpus
    ]


def test_the_past_of_ones_own(service: Host, watch: Watching, a_hub: StubHub, far: Far) -> None:
    """Of what others' GPUs did in the last minutes nothing is told either."""
    a_hub.add("eve-token", "eve")
    a_hub.add("the-admin", "root", admin=True)
    first = watch(service)
    past(first)
    for _ in range(3):
        tick(first)
        far.change()
    seen = {}
    for token in ("ada-token", "eve-token", "the-admin"):
        history = past(watch(service, token))
        seen[token] = {gpu.uuid for sample in history.samples for gpu in sample.gpus}

    assert {"GPU-0", "GPU-2", "GPU-2/7"} == seen["ada-token"]
    assert set() == seen["eve-token"]
    assert {gpu.uuid for gpu in GPUS} == seen["the-admin"]


def test_one_text_as_long_as_nothing_is_new(
    service: Host, watch: Watching, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames go on, so that nobody thinks that it is silent; text is made of news only."""
    made: list[str] = []
    seen_by = Fleet.seen_by

    def counted(fleet: Fleet, person: str) -> GpuReport:
        made.append(person)
        return seen_by(fleet, person)

    monkeypatch.setattr(stream_module, "_STILL", 0.5)
    hers = watch(service)
    past(hers)
    texts = [hers.recv()]
    monkeypatch.setattr(Fleet, "seen_by", counted)
    began = time.monotonic()
    texts += [hers.recv() for _ in range(4)]
    took = time.monotonic() - began
    before = len(made)
    far.change()
    while (text := hers.recv()) == texts[-1]:
        pass

    assert (1, [], ["ada"]) == (len(set(texts)), made[:before], made)
    assert 1.5 < took < 6
    assert 3 == len(json.loads(text)["report"]["gpus"])


def test_through_a_lab(service: Host, jupyter: Host, watch: Watching) -> None:
    """A lab passes on what its person may see: in the panel, and as a table."""
    watch.feed(jupyter, Relay(service.url, "ada-token", None))  # type: ignore[arg-type]
    page = watch(jupyter)
    past(page)
    report = tick(page)
    text = gpus_text(report, "ada")

    assert ["n1 0 digits", "n2 2 ", "n2 2:7 digits"] == _told(report)
    assert ["GPU", "NODE", "NAME"] == text.split()[:3]
    assert "others: 2 GPUs, 1 busy, 2.0 of 8.0 GiB; 1 free; 1 out of service" in text


def test_prometheus_gets_no_gpu_twice(service: Host, watch: Watching, a_hub: StubHub) -> None:
    """The series of a cluster's GPUs are the rules' there, and not the lab service's too."""
    a_hub.add("prometheus-token", "prometheus", kind="service")
    answer = service.http.get(
        f"{service.origin}/services/dllab/metrics",
        headers={"Authorization": "Bearer prometheus-token"},
    )

    assert 200 == answer.status_code
    assert "dllab_sampler_age_seconds" in answer.text
    assert "dllab_gpu_" not in answer.text


def test_alerts_are_of_people(service: Host, watch: Watching, loop: Loop, far: Far) -> None:
    """What watches GPUs for people is not told of pods that are none of ours."""
    _, holders = loop.call(service.lab.known(far.report))

    assert {"GPU-0": ADA, "GPU-1": GRACE, "GPU-2/7": ADA} == holders


def test_numbers_as_far_as_they_are_known() -> None:
    """A sum in which one is not known is not known; without others it is nothing."""
    blind = gpu("n1", 0, utilization=None, memory_used=None)
    two = GpuReport(state=GpuState.OK, time=1.0, gpus=(blind, gpu("n1", 1)))
    fleet = Fleet(two, {"GPU-0": GRACE, "GPU-1": GRACE})

    assert GpuTotals(held=2, memory_total=8 * _GIB) == fleet.seen_by("ada").others
    assert GpuTotals(busy=0, memory_used=0, memory_total=0) == fleet.seen_by("grace").others


def test_the_machine_itself_shows_all(loop: Loop) -> None:
    """On one machine everybody sees every GPU, without the names of others."""
    near = tuple(one.model_copy(update={"node": ""}) for one in GPUS)
    report = GpuReport(state=GpuState.OK, time=1.0, gpus=near)
    seen = stream_module.as_seen(report, HELD, "ada")

    assert (7, None) == (len(seen.gpus), seen.others)


def test_a_sampler_that_is_told_that_it_is_old() -> None:
    """A report that says itself that it is old counts as none, for how long there was none."""
    sampler = Sampler(lambda: GpuReport(state=GpuState.STALE, time=1.0))
    try:
        sampler._sample()
        assert {"stale": 1} == dict(sampler.errors)
    finally:
        sampler.close()
