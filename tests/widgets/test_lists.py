"""The lists of jobs and deployments, and the GPUs."""

from __future__ import annotations

from typing import Any

import pytest
from widget_looks import html, until

from dllab_hub.deployed import Deployed
from dllab_hub.job import Job
from dllab_hub.specs import Code, Gpu, GpuReport, GpuState, Holder, TrainingSpec
from dllab_hub.widgets import DeploymentList, GpuView, JobList

_GPU = Gpu(
    index=0,
    uuid="GPU-0",
    name="NVIDIA H100 <80GB>",
    utilization=0.42,
    memory_used=10 * 2**30,
    memory_total=80 * 2**30,
    temperature=51,
    power=350.4,
    holder=Holder(kind="lab", owner="ada", name="mine"),
)
_BLIND = Gpu(index=1, uuid="GPU-1", name="NVIDIA H100", holder=Holder(kind="job"))


def test_no_jobs_yet(client: Any) -> None:
    """An empty list says so."""
    assert JobList(client).text() == "no jobs yet"


def test_jobs_as_text(client: Any, job: Job) -> None:
    """One line for each job, newest first, under a heading."""
    client.backend.report(job.id, 5, 10)
    newer = client.submit(TrainingSpec(name="other", image="here", code=Code(source="x")))
    lines = JobList(client).text().splitlines()

    assert lines[0].split() == ["ID", "STATE", "WORKERS", "GPUS", "ATTEMPT", "STEP", "AGE"]
    assert lines[1].split()[:3] == [newer.id, "RUNNING", "1"]
    assert lines[2].split()[:8] == [job.id, "RUNNING", "2", "0", "1", "5", "of", "10"]


@pytest.mark.parametrize(("limit", "expected"), [(3, 3), (None, 12), (100, 12)])
def test_how_many(client: Any, limit: int | None, expected: int) -> None:
    """A limit is kept, and None means every job."""
    for _ in range(12):
        client.submit(TrainingSpec(name="x", image="here", code=Code(source="x")))

    assert expected == len(JobList(client, limit).jobs)


def test_a_new_job_appears(client: Any, job: Job) -> None:
    """A live list shows what was submitted elsewhere, and escapes what it shows."""
    view = JobList(client, period=0.02)
    table = view.widget.children[0]
    newer = client.submit(TrainingSpec(name="other", image="here", code=Code(source="x")))
    until(lambda: newer.id in table.value)
    view.close()

    assert "<b style=" in table.value


def test_gpus_as_text(client: Any) -> None:
    """What the driver does not tell is a dash, and other people have no name."""
    client.report = GpuReport(state=GpuState.OK, time=1.0, gpus=(_GPU, _BLIND))
    lines = GpuView(client).text().splitlines()

    assert lines[0].split() == ["GPU", "NAME", "LOAD", "MEMORY", "TEMP", "POWER", "HELD", "BY"]
    assert lines[1].startswith("0    NVIDIA H100 <80GB>  42%   10.0 GiB of 80.0 GiB  51 C  350 W")
    assert lines[1].endswith("lab mine")
    assert lines[2].split()[:7] == ["1", "NVIDIA", "H100", "-", "-", "-", "-"]
    assert lines[2].endswith("job of another person")


def test_gpus_live(client: Any) -> None:
    """Bars and numbers follow the report; a name that looks like markup is text."""
    client.report = GpuReport(state=GpuState.OK, time=1.0, gpus=(_GPU, _BLIND))
    view = GpuView(client, period=0.02)
    table = view.widget.children[1]
    assert "H100 &lt;80GB&gt;" in table.value
    assert "width:42%" in table.value

    hot = _GPU.model_copy(update={"utilization": 1.0})
    client.report = GpuReport(state=GpuState.OK, time=2.0, gpus=(hot,))
    until(lambda: "100%" in table.value)
    view.close()


def test_without_a_gpu_nothing_is_asked_twice(client: Any) -> None:
    """A machine without a GPU says why, once, and is left alone."""
    view = GpuView(client, period=0.02)
    said = view.widget.children[0]
    until(lambda: not view.is_live)

    assert view.text() == "no GPU here."
    assert "no GPU here." in said.value
    assert client.asked == 2


def test_a_forgotten_list_goes_quiet(client: Any) -> None:
    """A view without an end of its own stops after a while and says how to go on."""
    view = JobList(client, period=0.02)
    view._lasts = 0.1
    widget = view.widget
    until(lambda: not view.is_live)

    assert "run the cell again" in widget.children[-1].value


def test_no_deployments_yet(client: Any) -> None:
    """An empty list says so, and live, how to make the first."""
    view = DeploymentList(client, period=0.02)
    assert "no deployments yet" == view.text()
    assert "%deploy" in html(view.widget)
    view.close()


def test_deployments(client: Any, deployed: Deployed) -> None:
    """State, version, replicas and traffic of each deployment follow what happens to it."""
    view = DeploymentList(client, period=0.02)
    lines = view.text().splitlines()
    assert ["NAME", "STATE", "MODEL", "READY", "REQUESTS", "RATE", "AGE"] == lines[0].split()
    assert ["digits", "READY", "digits:1", "2/2", "0", "0.0/s", "0"] == lines[1].split()[:7]

    widget = view.widget
    assert "2/2" in html(widget)
    client.backend.serving.fail("ada", "digits", "replica-1 ended with exit code 1.")
    until(lambda: "FAILED</b>" in html(widget))
    assert "0/2" in html(widget)
    client.delete("digits")
    until(lambda: "No deployments yet" in html(widget))
    view.close()
