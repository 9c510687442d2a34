"""What the engine knows from before a restart, and what it does while nothing can be measured."""

from __future__ import annotations

from dataclasses import replace

from dllab_hub.metrics.alerts import Engine
from dllab_hub.metrics.rules import RULES
from dllab_hub.metrics.samples import Sample

GPU = {"gpu": "0", "uuid": "GPU-0"}
ECC = {**GPU, "type": "uncorrected"}


def errors(count: int) -> list[Sample]:
    return [Sample("dllab_gpu_ecc_errors_total", count, ECC)]


def states(engine: Engine) -> dict[str, str]:
    return {each.rule: each.state for each in engine.standing}


def test_rules_that_look_back_wait_for_their_window() -> None:
    """What fired before a restart fires on until it is known how it was in all of the window."""
    engine = Engine()
    engine.observe(errors(0), 1000)
    engine.observe(errors(1), 1015)
    assert {"GPUEccUncorrected": "firing"} == states(engine)

    after = Engine(RULES, engine.standing, engine.looked)
    for now in range(1030, 1330, 15):
        after.observe(errors(1), now)
        assert {"GPUEccUncorrected": "firing"} == states(after)
    after.observe(errors(1), 1330)
    assert {"GPUEccUncorrected": "resolved"} == states(after)


def test_what_cannot_be_measured_is_as_it_was() -> None:
    """A counter is not new, and has not grown, because nobody could read it for a while."""
    engine = Engine()
    xid = [Sample("dllab_gpu_xid_errors_total", 1, {**GPU, "xid": "79"})]
    engine.observe([], 0)
    for now in range(15, 900, 15):
        engine.observe(xid, now)
    assert "firing" not in states(engine).values()
    for now in range(900, 1800, 15):
        engine.observe([], now, held=("gpu",))
    for now in range(1800, 2400, 15):
        engine.observe(xid, now)
        assert "firing" not in states(engine).values()


def test_others_go_on_meanwhile() -> None:
    """Only what cannot be measured stays as it is."""
    engine = Engine([replace(rule, hold=0) for rule in RULES])
    hot = Sample("dllab_gpu_temperature_celsius", 82, GPU)
    engine.observe([hot, Sample("dllab_sampler_age_seconds", 61)], 0)
    engine.observe([], 15, held=("gpu",))

    assert {"GPUTemperatureHigh": "firing", "SamplerStale": "resolved"} == states(engine)
