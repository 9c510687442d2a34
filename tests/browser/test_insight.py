"""The tab of a job: cause, live log, search, curves, notes, in a real JupyterLab with real jobs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from running_lab import RunningLab

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("DLLAB_TEST_SHOTS")  # Read now: tests have no variables of ours.
#: Small, so that the other jobs need not wait for them.
WORKERS = [{"name": "worker", "replicas": 2, "cpus": 0.1}]
#: Prints and reports five times a second until it is ended.
TRAINS = """
import math, os, time
from dllab_hub.runtime.report import report
rank = int(os.environ["RANK"])
for step in range(1, 100_000):
    report(step, 100_000, loss=2 * math.exp(-step / 50) + 0.01 * rank, accuracy=0.5)
    print("line", step, flush=True)
    time.sleep(0.2)
"""
FAILS = """
import os, time
print("up", flush=True)
if os.environ["RANK"] == "2":
    time.sleep(1)
    raise ValueError("shapes (32,784) and (512,10) not aligned: 784 (dim 1) != 512 (dim 0)")
time.sleep(600)
"""
QUIET = """
import time
def busy():
    time.sleep(600)
busy()
"""
LONG = """
for number in range(60_000):
    print(f"line {number:06}" if number != 30_000 else "here is the NEEDLE of it", flush=False)
"""


@pytest.fixture(scope="module")
def trains(lab: RunningLab) -> Iterator[str]:
    """A job that runs for long; its id."""
    id = lab.submit("trains", TRAINS, roles=WORKERS, tags=["first"])
    yield id
    lab.cancel(id)


def _open(page: Page, id: str) -> Locator:
    """Show the tab of a job; its header."""
    page.locator(f'[data-job="{id}"]').locator(".jp-dllab-Job-name").click()
    header = page.locator(".jp-dllab-JobHeader:visible")
    expect(header.get_by_role("heading", name=id)).to_be_visible()
    return header


def _choose(page: Page, tab: str) -> None:
    page.locator(".jp-dllab-JobTab:visible").get_by_role("tab", name=tab, exact=True).click()


def test_the_cause_is_on_top(page: Page, lab: RunningLab) -> None:
    """Who failed first, why and what to do stand above everything, one click from that log."""
    id = lab.submit("fails", FAILS, roles=[{"name": "worker", "replicas": 4}])
    row = page.locator(f'[data-job="{id}"]')
    expect(row).to_contain_text("Failed", timeout=60_000)
    expect(row).to_contain_text("worker-2")
    header = _open(page, id)

    cause = header.get_by_role("region", name="What is wrong")
    expect(cause.locator("p").first).to_contain_text("worker-2")
    expect(cause).to_contain_text("worker-2 failed first: exit code 1")
    expect(cause).to_contain_text("ValueError: shapes (32,784) and (512,10)")
    cause.get_by_role("button", name="Log of worker-2").click()
    expect(page.get_by_role("log", name=f"Log of {id}")).to_have_text(re.compile("^up\nTraceback"))
    _shoot(page, "cause")


def test_a_job_that_says_nothing_is_told_of(page: Page, lab: RunningLab) -> None:
    """A badge and a notification say so; where each replica is can be asked, line by line."""
    id = lab.submit("quiet", QUIET, roles=WORKERS, stall_after=10)
    row = page.locator(f'[data-job="{id}"]')
    expect(row.locator(".jp-dllab-Badge")).to_have_text("stalled", timeout=60_000)
    expect(page.get_by_text(f"{id} has stalled:")).to_be_visible()
    header = _open(page, id)

    header.get_by_role("button", name="Where is each replica?").click()

    places = header.get_by_role("list", name="Where each replica is")
    expect(places).to_contain_text(re.compile("worker-0 is in busy, train.py line 4"))
    expect(places).to_contain_text(re.compile("worker-1 is in busy, train.py line 4"))
    _shoot(page, "stalled")
    lab.cancel(id)


def test_the_log_comes_by_a_stream(page: Page, trains: str) -> None:
    """New lines are told by one WebSocket, and the log is not asked for meanwhile."""
    with page.expect_websocket(lambda socket: "logs/stream" in socket.url):
        _open(page, trains)
    log = page.get_by_role("log", name=f"Log of {trains}")
    expect(log).to_contain_text("[worker-1] line 1")
    page.wait_for_timeout(1500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    newest = _newest(log)

    page.wait_for_timeout(4000)

    assert _newest(log) >= newest + 10
    assert [url for url in asked if f"{trains}/logs?" in url] == []
    _shoot(page, "live-log")


def test_progress_and_curves(page: Page, trains: str) -> None:
    """Steps, rate and time left are told; the curves are drawn, and are there as numbers too."""
    header = _open(page, trains)
    expect(header).to_contain_text("steps/s", timeout=30_000)
    expect(header).to_contain_text("left")
    _choose(page, "Curves")
    curves = page.locator(".jp-dllab-JobTab-page:visible")

    plot = curves.get_by_role("img", name=re.compile("^loss, newest values: worker-0 "))
    expect(plot).to_be_visible(timeout=30_000)
    expect(curves.get_by_role("img", name=re.compile("^Memory, .* MiB"))).to_be_visible(
        timeout=30_000
    )
    expect(plot.locator("canvas")).to_be_visible()
    assert plot.locator("canvas").evaluate(
        """canvas => canvas.getContext('2d')
          .getImageData(0, 0, canvas.width, canvas.height).data.some(value => value !== 0)"""
    )
    curves.get_by_role("button", name="Numbers").click()
    expect(curves.get_by_role("row", name=re.compile("^worker-1 ")).first).to_be_visible()
    curves.get_by_role("button", name="Log scale").click()
    curves.get_by_label("Along").select_option("time")
    expect(curves.locator(".u-legend").first).to_contain_text("Time")
    _shoot(page, "curves")


def test_what_is_not_seen_is_not_read(page: Page, trains: str) -> None:
    """Curves, log and record are read while their page is in sight, and not otherwise."""
    _open(page, trains)
    _choose(page, "Replicas")
    row = page.get_by_role("row").filter(has_text="worker-1").locator("visible=true")
    expect(row).to_contain_text("steps/s", timeout=30_000)
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.wait_for_timeout(4000)

    ours = [url for url in asked if f"jobs/{trains}" in url]
    assert ours
    assert [url for url in ours if re.search("metrics|logs|record", url)] == []
    _shoot(page, "replicas")


def test_a_text_is_found_in_the_whole_log(page: Page, lab: RunningLab) -> None:
    """A line far above what is shown is found, shown and marked; the way back is one click."""
    id = lab.submit("long", LONG)
    expect(page.locator(f'[data-job="{id}"]')).to_contain_text("Succeeded", timeout=60_000)
    _open(page, id)
    log = page.get_by_role("log", name=f"Log of {id}")
    expect(log).to_contain_text("line 059999")
    expect(log).not_to_contain_text("NEEDLE")
    search = page.get_by_label("Look for a text in the whole log").locator("visible=true")

    search.fill("needle")
    search.press("Enter")

    expect(log).to_contain_text("NEEDLE")
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible()
    inside = log.evaluate(
        """log => {
          const [range] = CSS.highlights.get('jp-dllab-match');
          const at = range.getBoundingClientRect(), of = log.getBoundingClientRect();
          return [range.toString(), at.top >= of.top && at.bottom <= of.bottom];
        }"""
    )
    assert inside == ["NEEDLE", True]
    _shoot(page, "found")
    page.get_by_role("button", name="Go to the end").locator("visible=true").click()
    expect(log).to_contain_text("line 059999")
    search.fill("not there at all")
    search.press("Enter")
    expect(page.get_by_text("Not found")).to_be_visible()


def test_a_log_is_downloaded_as_it_lies_there(page: Page) -> None:
    """The link gives the whole log as a file."""
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").locator("visible=true").click()

    text = Path(coming.value.path()).read_text()
    assert text.count("\n") == 60_000
    assert coming.value.suggested_filename.endswith(".log")


def test_tags_notes_and_favourite_are_kept(page: Page, lab: RunningLab, trains: str) -> None:
    """What is written down about a job is kept, and a tag that cannot be one is said at once."""
    header = _open(page, trains)
    tag = header.get_by_label("Add a tag")
    tag.fill("lr/0.1")
    tag.press("Enter")
    expect(header.get_by_role("group", name="Tags")).to_contain_text("lr/0.1")
    tag.fill("<b>")
    tag.press("Enter")
    expect(header.get_by_role("alert")).to_contain_text("tag")
    tag.fill("")
    header.get_by_role("button", name="Remove the tag first").click()
    expect(header.get_by_role("group", name="Tags")).not_to_contain_text("first")
    header.get_by_role("button", name="Favourite").click()
    expect(header.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    _choose(page, "Details")
    details = page.locator(".jp-dllab-JobTab-page:visible")
    details.get_by_label("Notes").fill("goes well")
    details.get_by_role("button", name="Save notes").click()
    expect(details.get_by_role("button", name="Save notes")).to_have_attribute(
        "aria-disabled", "true"
    )
    expect(details).to_contain_text("Submitted")
    _shoot(page, "details")

    job = lab.http.get(f"dllab/api/jobs/{trains}").raise_for_status().json()

    assert (job["tags"], job["notes"], job["favourite"]) == (["lr/0.1"], "goes well", True)


def test_a_cell_that_makes_the_same_wish(page: Page, lab: RunningLab, trains: str) -> None:
    """It is put below the active cell of the notebook that is open."""
    (lab.work / "study.ipynb").write_text(
        '{"cells": [], "metadata": {"kernelspec": {"name": "python3", "display_name": "P"}}, '
        '"nbformat": 4, "nbformat_minor": 5}'
    )
    page.goto(f"{lab.url}lab/workspaces/cells/tree/study.ipynb")
    notebook = page.locator(".jp-Notebook:visible")
    expect(notebook).to_be_visible(timeout=60_000)
    page.get_by_role("tab", name="DL Lab").click()
    header = _open(page, trains)

    header.get_by_role("button", name=f"Copy {trains} to a cell").click()

    expect(notebook.locator(".cm-content", has_text="%%train")).to_contain_text(
        "%%train --name trains --image here --workers 2 --cpus 0.1 --max-restarts 0 --tag first"
    )
    expect(notebook).to_contain_text("loss=2 * math.exp(-step / 50)")
    _shoot(page, "cell")


def _newest(log: Locator) -> int:
    """The largest number of a line that is shown."""
    return max(int(number) for number in re.findall(r"line (\d+)", log.inner_text()))


def _shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
