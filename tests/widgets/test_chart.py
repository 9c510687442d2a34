"""Charts, and the view of jobs beside each other."""

from __future__ import annotations

import math
import re
from typing import Any
from xml.etree import ElementTree

from widget_looks import html, until

from dllab_hub.errors import Unavailable
from dllab_hub.job import Job
from dllab_hub.specs import Cause, Curve, Diagnosis, JobState
from dllab_hub.widgets import CompareView, JobView
from dllab_hub.widgets.chart import Line, charts, lines_of

NASTY = "<script>alert(1)</script>\"'&"


def loss(count: int = 3, name: str = "loss", **more: Any) -> Curve:
    return Curve(
        **{
            "name": name,
            "source": "report",
            "replica": "worker-0",
            "steps": tuple(range(count)),
            "times": tuple(float(n) for n in range(count)),
            "values": tuple(1 / (n + 1) for n in range(count)),
            **more,
        }
    )


def parsed(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{text.replace('&nbsp;', ' ')}</div>")


def test_a_chart_is_well_formed_and_says_itself() -> None:
    """An SVG with a name for screen readers, the newest value, and no more points than it needs."""
    text = charts(lines_of([loss(1000)]))
    svg = parsed(text).find(".//svg")

    assert svg is not None
    assert svg.attrib["aria-label"] == "loss: 0.001 at the end, between 0.001 and 1"
    line = svg.find("polyline")
    assert line is not None
    points = line.attrib["points"].split()
    assert 200 == len(points)
    assert ("44.0,8.0", "260.0,104.0") == (points[0], points[-1])


def test_names_are_never_markup() -> None:
    """Names of metrics, replicas and jobs are escaped."""
    text = charts(lines_of([loss(name=NASTY, replica=NASTY)], NASTY), legend=True)

    assert "<script" not in text
    assert parsed(text).find(".//svg") is not None


def test_gaps_and_flat_lines() -> None:
    """A value that is not finite interrupts the line; equal, single and huge values are drawn."""
    huge = 1.7e308
    for values in ((1.0, None, 2.0), (3.0, 3.0, 3.0), (None, None, None), (-huge, huge, 0.0)):
        text = charts({"x": [Line("", list(zip((0.0, 1.0, 2.0), values, strict=True)))]})
        numbers = re.findall(r'(?:points|cx|cy)="([^"]*)"', text)
        assert parsed(text).find(".//svg") is not None
        assert all(math.isfinite(float(n)) for part in numbers for n in re.split("[ ,]", part))
    assert "no finite value" in charts({"x": [Line("", [(0.0, None)])]})


def test_four_metrics_and_no_more() -> None:
    """The first four are drawn, the others are counted; none is no chart."""
    text = charts(lines_of([loss(name=f"m{n}") for n in range(6)]))

    assert 4 == len(parsed(text).findall(".//svg"))
    assert "2 more metrics are not drawn." in text
    assert "" == charts({})


def test_the_jobs_view_draws_what_was_reported(job: Job, client: Any) -> None:
    """Curves appear in the view of a job, the cause on top of it; nothing of it is markup."""
    client.backend.draw(job.id, loss())
    client.backend.draw(job.id, loss(name="cpu", source="usage"))
    view = JobView(job, period=0.02)
    until(lambda: "<svg" in html(view.widget))
    assert 1 == html(view.widget).count("<svg")

    client.backend.finish(job.id, JobState.FAILED, "worker-0 failed.")
    record = client.backend._records[job.id]
    cause = Diagnosis(
        cause=Cause.SHAPE, message=NASTY, hint="Reshape it.", replica="worker-0", traceback=NASTY
    )
    record.job = record.job.model_copy(update={"diagnosis": cause})
    until(lambda: not view.is_live)
    shown = html(view.widget)
    assert "<script" not in shown
    assert shown.index('role="alert"') < shown.index("<svg") < shown.index("worker-1")
    view.close()


def test_a_view_whose_curves_are_missing_shows_all_else(job: Job, client: Any) -> None:
    """That curves cannot be read is said, and keeps nothing else from being shown."""

    async def refuse(*_: Any) -> None:
        raise Unavailable("no curves here.")

    client.backend.insight.curves = refuse
    view = JobView(job, period=0.02)
    client.backend.report(job.id, 3, 4)
    until(lambda: "step 3 of 4" in html(view.widget))
    assert "The curves are not there: no curves here." in html(view.widget)
    view.close()


def test_jobs_beside_each_other(job: Job, client: Any) -> None:
    """Differences, code and one chart for a metric that both have; as text where HTML is not."""
    other = job.rerun(max_restarts=1, code={"source": f"# {NASTY}\n"})
    for each in (job, other):
        client.backend.draw(each.id, loss())
    view = CompareView(job.compare(other))
    bundle = view._repr_mimebundle_()
    page = parsed(bundle["text/html"])

    assert 1 == len(page.findall(".//svg"))
    assert 2 == len(page.findall(".//polyline"))
    assert "<script" not in bundle["text/html"]
    assert "max_restarts" in bundle["text/html"]
    assert "max_restarts  3" in bundle["text/plain"]
    assert bundle["text/plain"] == repr(view)


def test_what_one_job_can_be_asked(job: Job, client: Any) -> None:
    """The handle gives curves, record, stacks and a cell, and takes notes."""
    client.backend.draw(job.id, loss())
    assert ["loss"] == [curve.name for curve in job.curves().curves]
    assert job.id == job.record().job.id
    assert () == job.stacks()
    assert job.to_cell().startswith("%%train --name digits --image here --workers 2")

    job.note("a b", tags=["x", "y"])
    job.note(favourite=True)
    assert ("a b", ("x", "y"), True) == (job.info.notes, job.info.tags, job.info.favourite)
    assert ("x",) == job.note(tags="x").info.tags
    assert "a b" == job.refresh().info.notes
