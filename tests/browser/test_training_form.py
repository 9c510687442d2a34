"""The form for a new training, from the launcher to the log of a real job."""

from __future__ import annotations

import re

import pytest
from palette import type_command
from playwright.sync_api import Page, expect
from running_lab import RunningLab

pytestmark = pytest.mark.browser

SCRIPT = "import sys\nimport beside\nprint(beside.GREETING, sys.argv[1:], flush=True)\n"


def test_launcher_tiles(page: Page) -> None:
    """What can be begun in the lab can be begun in the launcher; a form takes its place."""
    tiles = page.locator(".jp-Launcher-section", has_text="DL Lab")
    expect(tiles.get_by_text("New Deployment…")).to_be_visible()

    tiles.get_by_text("New Training…").click()

    form = page.get_by_role("form", name="New training")
    expect(form.get_by_label("Image")).to_have_value("here")
    expect(form.get_by_label("Python file")).to_be_focused()
    expect(tiles).to_have_count(0)


def test_form_says_what_is_wrong(page: Page, lab: RunningLab) -> None:
    """A mistake stands at its field, which has the focus, and what a file is called is text."""
    form = page.get_by_role("form", name="New training")
    path = form.get_by_label("Python file")
    start = form.get_by_role("button", name="Start training")
    (lab.work / "a<img id=planted src=x>.py").write_text("")

    start.click()
    expect(path).to_be_focused()
    expect(path).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_text("Name a Python file of your lab")).to_be_visible()

    path.fill("train.py")
    expect(form.get_by_label("Name")).to_have_value("train")
    form.get_by_label("Workers").fill("0")
    form.get_by_label("Arguments").fill("'")
    start.click()
    expect(form.get_by_text("A quotation mark is not closed.")).to_be_visible()
    expect(form.get_by_text("Give a whole number from 1 to")).to_be_visible()

    form.get_by_label("Arguments").fill("")
    form.get_by_label("Workers").fill("1")
    path.fill("a<img id=planted src=x>.py")
    form.get_by_label("GPUs per worker").fill("64")
    expect(form.get_by_text(re.compile("64 GPUs in all. This machine has"))).to_be_visible()
    start.click()
    expect(path).to_be_focused()
    expect(page.locator("#planted")).to_have_count(0)


def test_form_trains_with_a_file(page: Page, lab: RunningLab) -> None:
    """With the keyboard alone a file and its modules become a job, whose log comes to the front."""
    (lab.work / "beside.py").write_text("GREETING = 'from beside'\n")
    (lab.work / "train.py").write_text(SCRIPT)
    form = page.get_by_role("form", name="New training")
    form.get_by_label("GPUs per worker").fill("0")
    form.get_by_label("Python file").fill("train.py")
    form.get_by_label("Python file").press("Tab")
    page.keyboard.type("--lr '0.1 x'")
    form.get_by_label("Workers").fill("2")

    page.keyboard.press("Enter")

    log = page.get_by_role("log", name=re.compile("Log of train-"))
    expect(log).to_contain_text("[worker-1] from beside ['--lr', '0.1 x']")
    (job,) = lab.http.get("dllab/api/jobs").raise_for_status().json()["jobs"]
    id = job["id"]
    expect(page.locator(f'[data-job="{id}"]')).to_contain_text("Succeeded", timeout=30_000)
    expect(page.locator(".jp-dllab-Status")).not_to_contain_text("job", timeout=30_000)
    page.get_by_role("tab", name="New training").click()
    expect(form.get_by_text(f"{id} is submitted.")).to_be_visible()
    expect(form.get_by_label("Workers")).to_have_value("2")


def test_form_takes_the_file_in_front_as_it_stands(page: Page, lab: RunningLab) -> None:
    """The form is filled in with the file that is being edited; what is not saved runs too."""
    (lab.work / "live.py").write_text("print('stored')\n")
    page.get_by_role("tab", name=re.compile("File Browser")).click()
    page.get_by_role("button", name="Refresh the file browser").click()
    page.locator(".jp-DirListing-item", has_text="live.py").dblclick()
    editor = page.locator(".jp-FileEditor .cm-content")
    expect(editor).to_contain_text("stored")
    editor.press("Control+End")
    page.keyboard.type("print('typed')")
    type_command(page, "New Training")
    page.keyboard.press("Enter")
    path = page.locator(".jp-dllab-Form:visible").get_by_label("Python file")
    expect(path).to_have_value("live.py")

    path.press("Enter")

    log = page.get_by_role("log", name=re.compile("Log of live-"))
    expect(log).to_have_text(re.compile(r"^stored\s+typed\s*$"))
    assert (lab.work / "live.py").read_text() == "print('stored')\n"
