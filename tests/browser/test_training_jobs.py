"""Pause, resume and run again, by clicking on a real job in a real JupyterLab."""

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
#: Counts, and saves every fifth number and when it is asked to end.
COUNTER = """
import sys, time
from dllab_hub.runtime.checkpoint import Checkpointer
state = Checkpointer(save=lambda path: open(path, "w").close(), load=lambda path: None)
first = state.restore() + 1
print("begins with", first, *sys.argv[1:], flush=True)
for step in range(first, 10_000 if len(sys.argv) == 1 else first):
    state.step(step)
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def id(lab: RunningLab) -> Iterator[str]:
    """A job that runs for long; its id."""
    id = lab.submit("counter", COUNTER, checkpoint_every=5, time_limit=7200)
    yield id
    lab.cancel(id)


@pytest.fixture
def row(page: Page, id: str) -> Locator:
    """The job in the panel."""
    return page.locator(f'[data-job="{id}"]')


def test_pause_says_what_it_loses_and_asks(page: Page, row: Locator, id: str) -> None:
    """The dialog tells the last checkpoint and what comes after it; only a yes pauses the job."""
    expect(row).to_contain_text(re.compile(r"checkpoint at step \d+5"), timeout=30_000)
    pause = row.get_by_role("button", name=f"Pause {id}")
    dialog = page.get_by_role("dialog")

    pause.click()
    expect(dialog).to_contain_text(re.compile(r"Last checkpoint: step \d+, (just now|\d+ s ago)\."))
    expect(dialog).to_contain_text(re.compile(r"loses up to \d+ s of work, unless the code saves"))
    _shoot(page, "pause-dialog")
    expect(dialog.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(row).to_contain_text("Running")

    pause.click()
    dialog.get_by_role("button", name="Pause job").click()
    expect(row).to_contain_text("Paused", timeout=30_000)
    expect(row).to_contain_text("paused by")
    expect(page.get_by_text(f"{id} is paused:")).to_be_visible()
    expect(page.locator(".jp-dllab-Status")).not_to_contain_text("job")
    _shoot(page, "paused")


def test_run_again_begins_with_the_same_wish(
    page: Page, row: Locator, id: str, lab: RunningLab
) -> None:
    """The form holds what the job was; one change with the keyboard, and it is a new job."""
    row.get_by_role("button", name=id).first.click()
    page.locator(".jp-dllab-JobHeader:visible").get_by_role(
        "button", name=f"Run {id} again"
    ).click()
    form = page.get_by_role("form", name=f"Run {id} again")
    expect(form.get_by_role("radio", name="The same code")).to_be_checked()
    expect(form.get_by_label("Name")).to_have_value("counter")
    expect(form.get_by_label("Time limit")).to_have_value("2 h")
    expect(form.get_by_label("Arguments")).to_be_focused()
    _shoot(page, "run-again")

    page.keyboard.type("'one change'")
    page.keyboard.press("Enter")

    expect(form).to_be_hidden()
    log = page.locator(".jp-dllab-LogLines:visible")
    expect(log).to_have_text(re.compile(r"^begins with 1 one change\s*$"), timeout=30_000)
    new, old = lab.http.get("dllab/api/jobs").raise_for_status().json()["jobs"]
    assert old["id"] == id
    changed = {"code": {**old["spec"]["code"], "args": ["one change"]}}
    assert {**old["spec"], **changed} == new["spec"]


def test_resume_goes_on_from_the_checkpoint(page: Page, row: Locator, id: str) -> None:
    """The job is queued again, its next attempt begins after the last checkpoint."""
    row.get_by_role("button", name=f"Resume {id}").click()

    expect(row).to_contain_text("Running", timeout=30_000)
    expect(row).to_contain_text("attempt 2")
    row.get_by_role("button", name=f"Logs of {id}").click()
    log = page.get_by_role("log", name=f"Log of {id}")
    expect(log).to_contain_text(re.compile(r"begins with [1-9]\d"), timeout=30_000)
    expect(row.get_by_role("button", name=f"Pause {id}")).to_be_visible()
    _shoot(page, "resumed")


def test_every_control_has_a_name(page: Page, row: Locator, id: str) -> None:
    """Whoever hears the page instead of seeing it knows what each control of the form is."""
    row.get_by_role("button", name=id).first.click()
    page.locator(".jp-dllab-JobHeader:visible").get_by_role(
        "button", name=f"Run {id} again"
    ).click()
    form = page.locator(".jp-dllab-Form:visible")
    expect(form.get_by_label("Strategy")).to_be_visible()
    form.get_by_label("Strategy").select_option("ps")
    expect(form.get_by_label("Parameter servers")).to_be_visible()

    unnamed = form.evaluate(
        """form => [...form.querySelectorAll('input, select, button, summary')]
          .filter(it => !(it.labels?.length || it.ariaLabel || it.textContent.trim()))
          .map(it => it.outerHTML)"""
    )
    described = form.evaluate(
        """form => [...form.querySelectorAll('[aria-describedby]')]
          .filter(it => !document.getElementById(it.getAttribute('aria-describedby')))
          .map(it => it.outerHTML)"""
    )

    assert [] == unnamed
    assert [] == described


def _shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
