"""The text that Prometheus gets, checked by Prometheus' own promtool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from measurable import ADA, FULL, UUID, deployment, job, report
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from dllab_hub.metrics.prometheus import HELP, Exposed, family_of, render
from dllab_hub.metrics.samples import (
    Sample,
    deployment_samples,
    gpu_samples,
    host_samples,
    job_samples,
)
from dllab_hub.metrics.signals import Signals
from dllab_hub.specs import Disk, GpuProcess, Holder, Host, JobState, Progress, ReplicaStatus

#: The series of the service itself are made where its sockets and its backend are.
_OWN = ("dllab_sampler_", "dllab_service_", "dllab_watch_", "dllab_ws_")


def everything() -> Iterator[Sample]:
    yield from gpu_samples(report(FULL), {UUID: ADA})
    worker = ReplicaStatus(role="worker", index=0, attempt=2, state=JobState.RUNNING)
    progress = Progress(step=1, time=1.0, interval=1.0)
    running = job(progress=progress, attempt=2, replicas=(worker,))
    yield from job_samples([running], private=True)
    yield from deployment_samples([deployment()], private=True)
    serves = GpuProcess(holder=Holder(kind="deployment", owner="ada", name="digits"))
    signals = Signals()
    signals.observe([deployment(ready=1)], [FULL.model_copy(update={"processes": (serves,)})], 1.0)
    yield from signals.samples(2.0)
    disk = Disk(name="home", used=1, total=2)
    yield from host_samples(Host(time=1, cpu=1, cpus=2, memory=3, memory_limit=4, disks=(disk,)))
    yield from (Sample(name, 1) for name in HELP if name.startswith(_OWN))


def test_promtool_has_no_complaint() -> None:
    """Names, types, units and help texts are as Prometheus wants them."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing: install the package prometheus")
    answer = subprocess.run(
        ["promtool", "check", "metrics"], input=render(everything()), capture_output=True
    )

    assert (0, b"", b"") == (answer.returncode, answer.stdout, answer.stderr)


def test_every_series_is_explained() -> None:
    """Each name has a help text, and there is none of a series that does not exist."""
    assert set(HELP) == {family_of(sample.name)[0] for sample in everything()}


def test_a_series_without_an_explanation() -> None:
    """What is measured and not explained is a fault."""
    with pytest.raises(KeyError):
        render([Sample("dllab_unheard_of", 1)])


def test_what_comes_out_is_what_went_in() -> None:
    """A parser finds each sample again, with its labels, its value and the right type."""
    text = render(everything()).decode()
    families = list(text_string_to_metric_families(text))
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }

    # A label that is empty is none for Prometheus.
    assert found == {
        (sample.name, *sorted(pair for pair in sample.labels.items() if pair[1])): sample.value
        for sample in everything()
    }
    counters = {f"{family.name}_total" for family in families if family.type == "counter"}
    assert counters == {name for name in HELP if name.endswith("_total")}


def test_strange_names() -> None:
    """Quotes, backslashes, line breaks and any script in a label come through whole."""
    strange = 'H100 "x" \\ \n 显卡'
    text = render([Sample("dllab_gpu_info", 1, {"model": strange})]).decode()
    (family,) = text_string_to_metric_families(text)

    assert strange == family.samples[0].labels["model"]


def test_made_anew_at_each_scrape() -> None:
    """A registry that was there before shows what is measured now, and nothing after that."""
    registry, now = CollectorRegistry(), [Sample("dllab_ws_clients", 1)]
    exposed = Exposed(lambda: now)
    registry.register(exposed)
    assert b"dllab_ws_clients 1.0" in generate_latest(registry)
    now[:] = [Sample("dllab_ws_clients", 2)]
    assert b"dllab_ws_clients 2.0" in generate_latest(registry)
    registry.unregister(exposed)
    assert b"" == generate_latest(registry)
