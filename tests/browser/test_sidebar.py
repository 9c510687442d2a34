"""The sidebar and the tab of a job, in a real JupyterLab with the real server extension."""

from __future__ import annotations

import re
from typing import Any

import pytest
from palette import type_command
from playwright.sync_api import Page, expect
from running_lab import TOKEN, RunningLab

pytestmark = pytest.mark.browser

SHORT = "import os\nprint('hello from rank', os.environ['RANK'], flush=True)\n"
LONG = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
BROKEN = "raise ValueError('<b id=planted>of rank</b> ' + '0')\n"


def _row(page: Page, id: str) -> Any:
    return page.locator(f'[data-job="{id}"]')


def test_a_machine_without_gpus_is_a_calm_state(page: Page, lab: RunningLab) -> None:
    """The GPUs section lists GPUs, or says in one calm sentence why there is none."""
    report = lab.http.get("dllab/api/gpus").raise_for_status().json()

    if report["gpus"]:
        expect(page.locator(".jp-dllab-Gpu")).to_have_count(len(report["gpus"]))
    else:
        expect(page.locator(".jp-dllab-Gpus")).to_contain_text(report["message"])
    expect(page.locator(".jp-dllab-Trouble")).to_have_count(0)


def test_no_job_yet(page: Page) -> None:
    """Before the first job the section says what to type."""
    expect(page.locator(".jp-dllab-Jobs")).to_contain_text("%%train --workers 2")


def test_three_sections(page: Page) -> None:
    """GPUs, Training and Models have a section each, with what can be done in its toolbar."""
    panel = page.get_by_role("region", name="DL Lab", exact=True)

    for label in ("GPUs", "Training", "Models"):
        expect(panel.get_by_role("heading", name=label)).to_be_visible()
    for label in ("New training", "New deployment", "Read the GPUs now", "Read the jobs now"):
        expect(panel.get_by_role("button", name=label, exact=True)).to_be_visible()
    expect(page.locator(".jp-dllab-Models")).to_contain_text("%deploy net --example x")


def test_job_appears_and_its_log_can_be_read(page: Page, lab: RunningLab) -> None:
    """A job that was submitted elsewhere shows up, ends, and its log is one click away."""
    id = lab.submit("hello", SHORT, roles=[{"name": "worker", "replicas": 2}])

    expect(_row(page, id)).to_contain_text("Succeeded", timeout=30_000)
    _row(page, id).get_by_role("button", name=f"Logs of {id}").click()
    log = page.get_by_role("log", name=f"Log of {id}")
    expect(log).to_contain_text("[worker-1] hello from rank 1")
    page.get_by_role("combobox", name="Replica").select_option("worker-0")
    expect(log).to_have_text(re.compile(r"^hello from rank 0\s*$"))


def test_ages_grow(page: Page, lab: RunningLab) -> None:
    """How long ago a job ended is told anew, also when nothing else happens."""
    (job,) = lab.http.get("dllab/api/jobs").raise_for_status().json()["jobs"]
    facts = _row(page, job["id"]).locator(".jp-dllab-facts")
    page.wait_for_timeout(3000)  # What was still on its way when the job ended has come.
    before = facts.inner_text()

    expect(facts).not_to_have_text(before, timeout=15_000)
    expect(facts).to_contain_text(re.compile(r"ended \d+ s ago"))


def test_live_log_and_cancel(page: Page, lab: RunningLab) -> None:
    """Cancel says what is lost and cancels only when the person confirms it."""
    id = lab.submit("endless", LONG)
    try:
        expect(_row(page, id)).to_contain_text("Running", timeout=30_000)
        expect(page.locator(".jp-dllab-Status")).to_contain_text("1 job")
        page.get_by_role("button", name=f"Logs of {id}").click()
        expect(page.get_by_role("log", name=f"Log of {id}")).to_contain_text("up")
        cancel = _row(page, id).get_by_role("button", name=f"Cancel {id}")

        cancel.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("No checkpoint has been seen")
        dialog.get_by_role("button", name="Keep running").click()
        expect(_row(page, id)).to_contain_text("Running")

        cancel.click()
        dialog.get_by_role("button", name="Cancel job").click()
        expect(_row(page, id)).to_contain_text("Cancelled", timeout=30_000)
        expect(page.get_by_text(f"{id} was cancelled.")).to_be_visible()
    finally:
        lab.cancel(id)


def test_failure_is_explained_and_harmless(page: Page, lab: RunningLab) -> None:
    """The first failing replica's traceback is on top of the tab, as text and never as markup."""
    id = lab.submit("broken", BROKEN)

    expect(_row(page, id)).to_contain_text("Failed", timeout=30_000)
    _row(page, id).get_by_role("button", name=f"Logs of {id}").click()
    failure = page.locator(".jp-dllab-Failure:visible")
    expect(failure).to_contain_text("worker-0 failed first: exit code 1")
    expect(failure).to_contain_text("ValueError: <b id=planted>of rank</b> 0")
    expect(page.locator("#planted")).to_have_count(0)


def test_job_tabs_and_panel_come_back(page: Page) -> None:
    """After a reload the panel and the tabs of jobs are where they were."""
    tabs = page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="broken-")
    expect(tabs).to_have_count(1)
    page.wait_for_timeout(1500)  # JupyterLab saves the layout a moment after the last change.

    page.reload()

    expect(tabs).to_have_count(1, timeout=60_000)
    expect(page.locator(".jp-dllab-Jobs")).to_be_visible()


def test_commands_are_in_the_palette(page: Page) -> None:
    """Everything can be started from the command palette."""
    type_command(page, "DL Lab")

    # At once: a tab that opens late takes the palette away again.
    said = "\n".join(page.locator(".lm-CommandPalette-itemLabel").all_inner_texts())
    for label in (
        "Show DL Lab",
        "New Training…",
        "New Deployment…",
        "Cancel Training Job…",
        "Open Logs of Training Job…",
    ):
        assert label in said
    page.keyboard.press("Escape")


def test_status_bar_item(page: Page, lab: RunningLab) -> None:
    """The status bar says in a few words what the lab does, and is a way to the panel."""
    total = lab.http.get("dllab/api/capacity").raise_for_status().json()["total"]
    item = page.locator(".jp-dllab-Status")
    expect(item).to_have_text(f"GPU 0/{total}" if total else "No GPU")
    expect(item).to_have_attribute("title", re.compile("No training is under way"))
    page.get_by_role("tab", name="DL Lab").click()
    expect(page.locator(".jp-dllab-Sidebar")).to_be_hidden()

    item.focus()
    page.keyboard.press("Enter")

    expect(page.locator(".jp-dllab-Sidebar")).to_be_visible()


def test_one_stream_while_the_panel_is_open(page: Page) -> None:
    """The GPUs come by one WebSocket, which ends when the panel is closed."""
    tab = page.get_by_role("tab", name="DL Lab")
    tab.click()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_websocket(lambda socket: "dllab/api/gpus/stream" in socket.url) as opened:
        tab.click()
    for _ in range(3):
        opened.value.wait_for_event("framereceived")
    page.get_by_text("Training", exact=True).click()  # Another section.
    page.get_by_text("Training", exact=True).click()

    assert len(sockets) == 1
    assert len([url for url in asked if "dllab/api/gpus?" in url]) <= 1
    with opened.value.expect_event("close"):
        tab.click()
    tab.click()


def test_without_a_stream_the_gpus_are_asked_for(page: Page, lab: RunningLab) -> None:
    """Where no WebSocket can be had the GPUs are read again and again, and the panel says so."""
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page()
    other.route_web_socket(re.compile("gpus/stream"), lambda socket: socket.close())
    other.goto(f"{lab.url}lab/workspaces/other?token={TOKEN}")
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.get_by_role("tab", name="DL Lab").click(timeout=60_000)

    expect(other.get_by_text("No live data comes through")).to_be_visible()
    with other.expect_request(lambda request: "dllab/api/gpus?" in request.url):
        pass
    expect(other.locator(".jp-dllab-Trouble")).to_have_count(0)
    other.close()


def test_hidden_panel_asks_nothing(page: Page) -> None:
    """While the panel is closed no GPU is read and nothing of ours is drawn."""
    tab = page.get_by_role("tab", name="DL Lab")
    tab.click()
    expect(page.locator(".jp-dllab-Sidebar")).to_be_hidden()
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
          window.drawn = 0;
          new MutationObserver(() => window.drawn++).observe(
            document.querySelector('.jp-dllab-Sidebar'),
            { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )

    page.wait_for_timeout(5000)

    assert [url for url in asked if "dllab/api/gpus" in url] == []
    assert page.evaluate("window.drawn") == 0
    tab.click()
    expect(page.locator(".jp-dllab-Jobs")).to_be_visible()
