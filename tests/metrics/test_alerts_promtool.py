"""Our engine and Prometheus' own rule evaluation, over the same random series."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dllab_hub.metrics.alerts import Engine, Standing
from dllab_hub.metrics.rulefile import rule_file
from dllab_hub.metrics.rules import RULES, Rule
from dllab_hub.metrics.samples import Sample

pytestmark = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool, of Debian's package prometheus"
)
#: Moments of a run.
_STEPS = 60
#: Seconds between two of them, and whether windows of five minutes end between two of them: there
#: versions of Prometheus differ in whether a sample on the edge counts.
_BETWEEN, _ON_EDGE = 16, 15
#: For the values that matter of each metric.
_VALUES: Mapping[str, tuple[float, ...]] = {
    "dllab_gpu_up": (1, 1, 0),
    "dllab_gpu_lost": (0, 0, 1),
    "dllab_gpu_temperature_celsius": (60, 80, 80.5, 85, 86, 91),
    "dllab_gpu_temperature_limit_celsius": (84, 90),
    "dllab_gpu_row_remap_failure": (0, 1),
    "dllab_gpu_throttle": (1,),
    "dllab_gpu_utilization_ratio": (0, 0.04, 0.05, 0.9),
    "dllab_gpu_allocated": (1, 1, 0),
    "dllab_gpu_memory_used_bytes": (0, 95e9, 95.1e9, 100e9),
    "dllab_gpu_memory_total_bytes": (100e9, 0),
    "dllab_job_step_limit_seconds": (30, 60),
    "dllab_endpoint_version_traffic_ratio": (0.1, 0.9, 1),
    "dllab_sampler_age_seconds": (1, 60, 61),
}
_COUNTERS = {
    "dllab_gpu_ecc_errors_total",
    "dllab_gpu_xid_errors_total",
    "dllab_endpoint_requests_total",
    "dllab_endpoint_failures_total",
    "dllab_endpoint_version_requests_total",
    "dllab_endpoint_version_failures_total",
}
_MOMENTS = {"dllab_job_last_step_timestamp_seconds", "dllab_watch_last_event_timestamp_seconds"}


def series_of(number: int) -> list[tuple[str, dict[str, str]]]:
    """Everything that is measured of one GPU, job and deployment."""
    gpu = {"gpu": str(number), "uuid": f"GPU-{number}"}
    kinds = (("slowdown", "shutdown"), ("corrected", "uncorrected"))
    found = [(name, gpu) for name in _VALUES if name.startswith("dllab_gpu_")]
    found = [(n, at) for n, at in found if not n.endswith(("limit_celsius", "throttle"))]
    found += [("dllab_gpu_temperature_limit_celsius", {**gpu, "kind": k}) for k in kinds[0]]
    found += [("dllab_gpu_ecc_errors_total", {**gpu, "type": k}) for k in kinds[1]]
    found += [("dllab_gpu_xid_errors_total", {**gpu, "xid": k}) for k in ("13", "79", "95")]
    found += [
        ("dllab_gpu_throttle", {**gpu, "reason": k})
        for k in ("sw_thermal", "hw_thermal", "power_cap")
    ]
    job, endpoint = {"job_id": f"job-{number}"}, {"endpoint": f"e-{number}"}
    found += [(f"dllab_job_{name}_seconds", job) for name in ("last_step_timestamp", "step_limit")]
    found += [(f"dllab_endpoint_{name}_total", endpoint) for name in ("requests", "failures")]
    for version in ("1", "2"):
        names = ("requests_total", "failures_total", "traffic_ratio")
        at = {**endpoint, "version": version}
        found += [(f"dllab_endpoint_version_{name}", at) for name in names]
    found += [("dllab_sampler_age_seconds", {"instance": f"i-{number}"})]
    found += [("dllab_watch_last_event_timestamp_seconds", {"instance": f"i-{number}"})]
    return found


def values_of(name: str, random: Random, every: int) -> Iterator[float | None]:
    """A series that stays as it is for a while, changes, vanishes and comes back."""
    there, value = random.random() < 0.8, None
    for step in range(_STEPS):
        if random.random() < 0.06:
            there = not there
        if value is None or random.random() < 0.12:
            value = next_of(name, random, value, step * every)
        yield value if there else None


def next_of(name: str, random: Random, before: float | None, now: float) -> float:
    if name in _MOMENTS:
        return now - random.choice((0, 0, 20, 59, 60, 61))
    if name in _COUNTERS:
        if before is None or random.random() < 0.1:
            return random.choice((0, 1, 5))
        return before + random.choice((0, 1, 1, 30))
    return random.choice(_VALUES[name])


def text_of(name: str, labels: Mapping[str, str]) -> str:
    return f"{name}{{{','.join(f'{k}={json.dumps(v)}' for k, v in labels.items())}}}"


def told(standing: Standing, rule: Rule) -> dict[str, object]:
    """As Prometheus writes down an alert itself."""
    labels = {
        "alertname": standing.rule,
        "alertstate": standing.state,
        "severity": rule.severity,
        **dict(standing.labels),
    }
    return {"labels": text_of("ALERTS", labels), "value": 1}


def compare(rules: tuple[Rule, ...], seed: int, every: int, subjects: int) -> None:
    """Run both over the same series, and have promtool complain where they differ."""
    random = Random(seed)
    table = {
        (name, tuple(labels.items())): list(values_of(name, random, every))
        for number in range(subjects)
        for name, labels in series_of(number)
    }
    engine, by_name, tests = Engine(rules), {rule.name: rule for rule in rules}, []
    for step in range(_STEPS):
        samples = [
            Sample(name, value, dict(labels))
            for (name, labels), values in table.items()
            if (value := values[step]) is not None
        ]
        alerts = engine.observe(samples, step * every)
        now = [told(a, by_name[a.rule]) for a in alerts if a.state != "resolved"]
        tests.append({"expr": "ALERTS", "eval_time": f"{step * every}s", "exp_samples": now})
    series = [
        {
            "series": text_of(name, dict(labels)),
            "values": " ".join("stale" if v is None else f"{v!r}" for v in values),
        }
        for (name, labels), values in table.items()
    ]
    with TemporaryDirectory() as folder:
        Path(folder, "rules.yaml").write_text(rule_file(rules))
        run = {"interval": f"{every}s", "input_series": series, "promql_expr_test": tests}
        whole = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": f"{every}s",
            "tests": [run],
        }
        file = Path(folder, "test.yaml")
        file.write_text(json.dumps(whole))  # What is JSON is YAML.
        done = subprocess.run(
            ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
        )

    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]
    assert {a["labels"] for t in tests for a in t["exp_samples"]}  # type: ignore[index, attr-defined]


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_every_rule_answers_as_prometheus_does(seed: int) -> None:
    """Over 200 random series, pending and firing alerts are the same at every moment."""
    rules = tuple(replace(rule, hold=min(rule.hold, 100)) for rule in RULES)

    compare(rules, seed, _BETWEEN, subjects=10)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_an_alert_fires_at_the_very_moment(seed: int) -> None:
    """Where moments fall on the end of the time for which it must be so, both fire then."""
    rules = tuple(
        replace(rule, hold=60 if rule.hold else 0)
        for rule in RULES
        if not any(series.window for series in rule.condition.series())
    )

    compare(rules, seed, _ON_EDGE, subjects=10)
