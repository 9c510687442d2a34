"""The form for a new training, from the launcher to the log of a real job."""

from __future__ import annotations

import json
import re

import pytest
from palette import type_command
from playwright.sync_api import Page, expect
from running_lab import RunningLab

pytestmark = pytest.mark.browser

CELLS = [
    ("train", "steps = 2"),
    ("", "%matplotlib inline\nprint('not to run')"),
    ("train", "for step in range(steps):\n    print('step', step, flush=True)"),
]
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
    limit = form.get_by_label("Time limit")
    expect(limit).to_be_hidden()
    form.get_by_text("More", exact=True).press("Enter")
    limit.fill("90")
    form.get_by_text("More", exact=True).click()
    start.click()
    expect(limit).to_be_focused()
    expect(form.get_by_text("Give a time such as 2 h or 90 min")).to_be_visible()
    limit.fill("90 min")
    form.get_by_text("More", exact=True).click()
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
    _open(page, "live.py")
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


def test_check_finds_the_line_and_leads_there(page: Page, lab: RunningLab) -> None:
    """What would fail at once is found before anything is started, and a click shows its line."""
    (lab.work / "faulty.py").write_text("import os\n\nimport nothere_at_all\n")
    before = _ids(lab)
    type_command(page, "New Training")
    page.keyboard.press("Enter")
    form = page.locator(".jp-dllab-Form:visible")
    form.get_by_label("Python file").fill("faulty.py")

    form.get_by_role("button", name="Check").click()

    found = form.get_by_role("list", name="What was found")
    expect(found).to_contain_text("nothere_at_all", timeout=30_000)
    found.get_by_role("button", name="faulty.py, line 3").click()
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Ln 3, Col 1")
    assert before == _ids(lab)


def test_form_trains_with_marked_cells_as_they_stand(page: Page, lab: RunningLab) -> None:
    """The cells with the tag run as one script, with edits that are saved nowhere."""
    notebook = lab.work / "steps.ipynb"
    notebook.write_text(json.dumps(_notebook()))
    _open(page, "steps.ipynb")
    cell = page.locator(".jp-Notebook .jp-CodeCell .cm-content").first
    expect(cell).to_contain_text("steps = 2", timeout=30_000)
    cell.press("Control+End")
    page.keyboard.type(" + 1")
    type_command(page, "New Training")
    page.keyboard.press("Enter")
    form = page.locator(".jp-dllab-Form:visible")
    expect(form.get_by_role("radio", name="Cells of a notebook")).to_be_checked()
    expect(form.get_by_label("Notebook", exact=True)).to_have_value("steps.ipynb")
    expect(form.get_by_label("Cells", exact=True)).to_have_value("tagged")
    expect(form.get_by_label("Name")).to_have_value("steps")

    form.get_by_label("Arguments").press("Enter")

    log = page.get_by_role("log", name=re.compile("Log of steps-"))
    expect(log).to_have_text(re.compile(r"^step 0\s+step 1\s+step 2\s*$"), timeout=30_000)
    assert "+ 1" not in notebook.read_text()


def test_a_cell_that_cannot_run_is_shown(page: Page) -> None:
    """What only a notebook understands is refused, and the way to its cell stands beside it."""
    page.get_by_role("tab", name="steps.ipynb").click()
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(1).click()
    type_command(page, "New Training")
    page.keyboard.press("Enter")
    form = page.locator(".jp-dllab-Form:visible")
    form.get_by_label("Cells", exact=True).select_option("selected")

    form.get_by_role("button", name="Start training").click()

    expect(form.get_by_text("This works in a notebook only")).to_be_visible()
    form.get_by_role("button", name="Cell 3, line 1").click()
    expect(page.locator(".jp-Notebook .jp-mod-active")).to_contain_text("%matplotlib inline")


def _ids(lab: RunningLab) -> list[str]:
    """Every job that there is; those of the other tests may still be changing."""
    answer = lab.http.get("dllab/api/jobs").raise_for_status().json()
    return [job["id"] for job in answer["jobs"]]


def _open(page: Page, name: str) -> None:
    """Open a file from the file browser."""
    refresh = page.get_by_role("button", name="Refresh the file browser")
    if not refresh.is_visible():
        page.get_by_role("tab", name=re.compile("File Browser")).click()
    refresh.click()
    page.locator(".jp-DirListing-item", has_text=name).dblclick()


def _notebook() -> dict[str, object]:
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {"tags": [tag]} if tag else {},
            "outputs": [],
            "source": source,
        }
        for number, (tag, source) in enumerate(CELLS)
    ]
    head = {"cell_type": "markdown", "id": "head", "metadata": {}, "source": "# Steps"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": [head, *cells],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
