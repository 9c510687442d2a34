"""The lists of jobs and deployments, and the GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gpu_values import BLIND, BUSY, SLICE, report_of
from served import ONNX
from widget_looks import html, until

from dllab_hub.deployed import Deployed
from dllab_hub.job import Job
from dllab_hub.specs import Canary, Code, TrainingSpec, VersionTraffic
from dllab_hub.tables import gpus_text
from dllab_hub.widgets import DeploymentList, GpuView, JobList


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
    """What `dllab gpus` prints as well."""
    client.report = report_of(BUSY, BLIND)

    assert gpus_text(client.report) == GpuView(client).text()


def test_gpus_live(client: Any) -> None:
    """Bars and numbers follow the report; a name that looks like markup is text."""
    client.report = report_of(BUSY, BLIND)
    view = GpuView(client, period=0.02)
    table = view.widget.children[1]
    assert "H100 &lt;80GB&gt;" in table.value
    assert "width:42%" in table.value
    assert "python3.11 (4711), 3.0 GiB, job digits worker-0" in table.value
    assert "slowed down by heat" in table.value

    hot = BUSY.model_copy(update={"utilization": 1.0})
    client.report = report_of(hot)
    until(lambda: "100%" in table.value)
    view.close()


def test_an_administrator_sees_whose_gpus_they_are(client: Any) -> None:
    """Names of other people's things come with their owner, in the widget as in the text."""
    client.report = report_of(BUSY)
    view = GpuView(client, person="root", period=0.02)
    table = view.widget.children[1].value
    view.close()

    assert "lab mine of ada" in table
    assert "job digits of ada" in table
    assert "lab mine of ada" in view.text()


def test_what_is_unknown_is_no_zero(client: Any) -> None:
    """Load, memory, temperature and power that the driver does not tell are dashes."""
    client.report = report_of(BLIND, SLICE)
    view = GpuView(client, period=0.02)
    table = view.widget.children[1].value
    view.close()

    assert ">0%" not in table
    assert "0 B" not in table
    assert table.count("–</td>") == 4 + 3
    assert "processes" not in table
    assert "2:1" in table
    assert "slice 1g.10gb" in table


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


def test_a_canary(client: Any, deployed: Deployed, tmp_path: Path) -> None:
    """Below a deployment with a canary is a row for each version, with part, errors and p95."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    client.publish("digits", tmp_path / "net.onnx")
    view = DeploymentList(client, period=0.02)
    widget = view.widget
    assert "version" not in html(widget)
    client.canary("digits", Canary(version=2, percent=25))
    seen = VersionTraffic(version=2, percent=25, ready=1, requests=777, failed=55, p95=0.012)
    record = client.backend.serving._record("ada", "digits")
    first = record.deployment.versions[0]
    record.deployment = record.deployment.model_copy(update={"versions": (first, seen)})
    until(lambda: "version 2 (canary)" in html(widget))

    for cell in ("version 1", "75%", "25%", "777", "55", "p95 12 ms", "3/3"):
        assert f">{cell}</td>" in html(widget)
    assert "  version 2 (canary)  25%  1 ready, 777 requests, 55 failed, p95 12 ms" in (
        view.text().splitlines()
    )
    view.close()
