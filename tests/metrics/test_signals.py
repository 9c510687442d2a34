"""What a deployment's load is, and what is known of it when nobody measures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.metrics.samples import owner_hash
from dllab_hub.metrics.signals import Signals
from dllab_hub.specs import (
    Deployment,
    DeploymentSpec,
    DeploymentState,
    Gpu,
    GpuProcess,
    Holder,
    Traffic,
)

KEY = ("ada", "digits")


def deployment(traffic: Traffic | None, ready: int = 2) -> Deployment:
    return Deployment(
        name="digits",
        owner="ada",
        spec=DeploymentSpec(name="digits", model="digits", replicas=2),
        version=1,
        state=DeploymentState.READY,
        ready=ready,
        traffic=traffic,
        created=0,
        updated=0,
    )


def gpu(index: int, load: float | None, *names: str) -> Gpu:
    holders = [Holder(kind="deployment", owner="ada", name=name, id=name) for name in names]
    found = tuple(GpuProcess(holder=holder) for holder in holders)
    return Gpu(index=index, uuid=f"GPU-{index}", name="H100", utilization=load, processes=found)


def test_what_is_measured() -> None:
    """In flight, waiting for each replica, seconds of an answer, and the load of its GPUs."""
    signals = Signals()
    gpus = [gpu(0, 0.5, "digits"), gpu(1, 1.0, "digits", "other"), gpu(2, 0.0)]

    load = signals.observe([deployment(Traffic(waiting=6, latency=0.02))], gpus, 100)[KEY]

    seen = {kind: (signal.value, signal.held) for kind, signal in load.items()}
    assert {
        "inflight": (6, False),
        "queue": (2, False),
        "latency": (0.02, False),
        "gpu": (0.75, False),
    } == seen


def test_a_source_that_vanishes_is_held() -> None:
    """The last values stay, with their age, until there are new ones."""
    signals = Signals()
    signals.observe([deployment(Traffic(waiting=6, latency=0.02))], [gpu(0, 0.9, "digits")], 100)

    load = signals.observe([deployment(None)], [], 160)[KEY]
    assert {"inflight": 6, "queue": 2, "latency": 0.02, "gpu": 0.9} == {
        kind: signal.value for kind, signal in load.items()
    }
    assert {(True, 60.0)} == {(signal.held, signal.age(160)) for signal in load.values()}
    back = signals.observe([deployment(Traffic(waiting=0))], [], 170)[KEY]
    assert (0, False, 0.02, True) == (
        back["inflight"].value,
        back["inflight"].held,
        back["latency"].value,
        back["latency"].held,
    )


def test_what_was_never_measured_is_not_there() -> None:
    """It is not 0."""
    load = Signals().observe([deployment(None)], [gpu(0, None, "digits")], 100)[KEY]

    assert {} == load


def test_a_deployment_that_is_gone_is_forgotten() -> None:
    """One of the same name that comes later begins anew."""
    signals = Signals()
    signals.observe([deployment(Traffic(waiting=6))], [], 100)
    assert {} == signals.observe([], [], 110)

    assert {} == signals.observe([deployment(None)], [], 120)[KEY]


def test_for_prometheus() -> None:
    """Each value has an age, and says whether it is held; nobody's name is in it."""
    signals = Signals()
    signals.observe([deployment(Traffic(waiting=6))], [], 100)
    signals.observe([deployment(None)], [], 130)
    at = {"endpoint": f"{owner_hash('ada')}/digits"}

    found = {(s.name, s.labels.get("signal")): s for s in signals.samples(130)}

    assert 6 == found["dllab_endpoint_signal_inflight", None].value
    assert at == found["dllab_endpoint_signal_inflight", None].labels
    assert 30 == found["dllab_endpoint_signal_age_seconds", "inflight"].value
    assert 1 == found["dllab_endpoint_signal_held", "inflight"].value


@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), min_size=1, max_size=30))
def test_the_last_value_counts(waiting: list[int | None]) -> None:
    """Whatever comes and goes: the value is the last that was measured, and never another."""
    signals = Signals()
    last: float | None = None
    for now, count in enumerate(waiting):
        traffic = None if count is None else Traffic(waiting=count)
        load = signals.observe([deployment(traffic)], [], float(now))[KEY]
        last = last if count is None else count
        signal = load.get("inflight")
        assert (last, count is None) == ((signal.value, signal.held) if signal else (None, True))
