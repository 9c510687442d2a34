"""All runs, their comparison, the price before a submit and the settings of notifications."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from palette import type_command
from playwright.sync_api import Locator, Page, expect
from running_lab import RunningLab

pytestmark = pytest.mark.browser

SHOTS = os.environ.get("DLLAB_TEST_SHOTS")  # Read now: tests have no variables of ours.
CODE = """
import sys, time
from dllab_hub.runtime.report import report
rate = float(sys.argv[1])
for step in range(20):
    report(step + 1, 20, loss=1 / (1 + rate * step))
    time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def ended(lab: RunningLab) -> list[str]:
    """Ids of three runs that have succeeded, oldest first."""
    args: tuple[tuple[str, str, list[str]], ...] = (
        ("rates", "0.1", ["slow"]),
        ("rates", "0.5", []),
        ("other", "0.5", []),
    )
    ids = []
    for name, rate, tags in args:
        source = CODE if name == "rates" else CODE.replace("1 /", "2 /")
        code = {"source": source, "args": [rate]}
        spec = {"name": name, "image": "here", "code": code, "tags": tags, "max_restarts": 0}
        ids.append(lab.http.post("dllab/api/jobs", json=spec).raise_for_status().json()["id"])
    return ids


@pytest.fixture
def history(page: Page, ended: list[str]) -> Locator:
    """The tab with all runs, which have ended."""
    page.get_by_role("region", name="DL Lab", exact=True).get_by_role(
        "button", name="All runs", exact=True
    ).click()
    tab = page.locator(".jp-dllab-HistoryTab:visible")
    for id in ended[1:]:
        expect(_run(tab, id)).to_contain_text("Succeeded", timeout=60_000)
    return tab


def _run(tab: Locator, id: str) -> Locator:
    return tab.locator(f'[data-run="{id}"]')


def test_runs_are_found_by_what_is_known_of_them(history: Locator, ended: list[str]) -> None:
    """Words, state, name, tag and favourites each narrow the list; one button shows all again."""
    runs = history.locator("[data-run]")
    expect(runs).to_have_count(3)
    expect(_run(history, ended[2])).to_contain_text("loss 0.")

    history.get_by_label("The whole name of the job").fill("rates")
    expect(runs).to_have_count(2)
    history.get_by_label("A tag that it has").fill("slow")
    expect(runs).to_have_count(1)
    expect(_run(history, ended[0])).to_be_visible()
    history.get_by_role("button", name="Show all").click()
    expect(runs).to_have_count(3)
    history.get_by_label("Words in id, tags").fill("RATES slow")
    expect(runs).to_have_count(1)
    history.get_by_label("State").select_option("FAILED")
    expect(history).to_contain_text("There is no such run.")
    history.get_by_role("button", name="Show all").click()
    history.get_by_role("button", name="Favourites").click()
    expect(runs).to_have_count(0)
    history.get_by_role("button", name="Show all").click()
    expect(runs).to_have_count(3)


def test_what_cannot_be_found_is_said(history: Locator) -> None:
    """A tag that can be none is answered with a sentence, and the list is not lost."""
    history.get_by_label("A tag that it has").fill("a b")
    expect(history.get_by_role("alert")).to_contain_text("tag")
    history.get_by_role("button", name="Show all").click()
    expect(history.get_by_role("alert")).to_have_count(0)
    expect(history.locator("[data-run]")).to_have_count(3)


def test_two_runs_beside_each_other(page: Page, history: Locator, ended: list[str]) -> None:
    """Settings, results and code that differ, and the curves of both in one chart."""
    expect(history.get_by_role("button", name="Compare")).to_have_attribute("aria-disabled", "true")
    for id in ended[1:]:
        history.get_by_label(f"Mark {id}").check()
    _shoot(page, "history")
    history.get_by_role("button", name="Compare 2").click()

    tab = page.locator(".jp-dllab-HistoryTab:visible")
    expect(tab.get_by_role("heading", name="Comparison")).to_be_visible()
    expect(tab.get_by_role("row", name=re.compile("^last loss "))).to_be_visible()
    plot = tab.get_by_role("img", name=re.compile(f"^loss, .*{ended[1]} .*{ended[2]} "))
    expect(plot).to_be_visible()
    diff = tab.locator(".jp-dllab-Diff")
    expect(diff.locator('[data-side="old"]')).to_contain_text("1 / (1 + rate * step)")
    expect(diff.locator('[data-side="new"]')).to_contain_text("2 / (1 + rate * step)")
    _shoot(page, "compare")
    page.keyboard.press("Escape")


def test_a_tag_for_several(page: Page, history: Locator, ended: list[str]) -> None:
    """A tag is added to all that are marked."""
    history.get_by_role("button", name="Tag…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("good")
    dialog.get_by_role("button", name="Add").click()

    for id in ended[1:]:
        expect(_run(history, id)).to_contain_text("good")


def test_export_and_import(
    page: Page, history: Locator, ended: list[str], lab: RunningLab, tmp_path: Path
) -> None:
    """What is exported is a line for each record; imported again it changes nothing."""
    with page.expect_download() as coming:
        history.get_by_role("button", name="Export 2").click()
    text = Path(coming.value.path()).read_text()
    records = [json.loads(line) for line in text.splitlines()]
    assert sorted(record["job"]["id"] for record in records) == sorted(ended[1:])

    def take(text: str) -> None:
        file = tmp_path / "runs.jsonl"
        file.write_text(text)
        with page.expect_file_chooser() as choosing:
            history.get_by_role("button", name="Import…").click()
        choosing.value.set_files(file)

    take(text)
    expect(page.get_by_text("0 runs were added. 2 were here already.")).to_be_visible()
    take(text + "no record\n")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Line 3 of runs.jsonl is not a record of a run.")
    dialog.get_by_role("button", name="OK").click()


def test_files_are_removed_and_the_record_stays(
    page: Page, history: Locator, ended: list[str], lab: RunningLab
) -> None:
    """The dialog says what is lost; only a yes removes the files, and what is known stays."""
    history.get_by_label(f"Mark {ended[1]}").uncheck()
    dialog = page.get_by_role("dialog")
    history.get_by_role("button", name="Remove files…").click()
    expect(dialog).to_contain_text("Checkpoints, event files, outputs and logs are removed")
    expect(dialog).to_contain_text(ended[2])
    expect(dialog.get_by_role("button", name="Keep")).to_be_focused()
    _shoot(page, "remove-files")
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(_run(history, ended[2])).not_to_contain_text("record only")

    history.get_by_role("button", name="Remove files…").click()
    dialog.get_by_role("button", name="Remove files").click()

    expect(_run(history, ended[2])).to_contain_text("record only", timeout=30_000)
    record = lab.http.get(f"dllab/api/jobs/{ended[2]}/record").raise_for_status().json()
    assert "loss" in {curve["name"] for curve in record["curves"]}


def test_a_run_is_deleted(page: Page, history: Locator, ended: list[str], lab: RunningLab) -> None:
    """After a yes nothing is left of it."""
    history.get_by_role("button", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(_run(history, ended[2])).to_have_count(0, timeout=30_000)
    assert lab.http.get(f"dllab/api/jobs/{ended[2]}").status_code == 404
    ended[2] = ended[1]  # What the fixture waits for.


def test_the_price_is_told_before_a_submit(page: Page, lab: RunningLab) -> None:
    """The form tells what the wish would cost and when it would start, as it is typed."""
    page.get_by_role("button", name="New training", exact=True).click()
    form = page.get_by_role("form", name="New training")
    price = form.get_by_role("status", name="Price")

    expect(price).to_contain_text("at once", timeout=20_000)
    with page.expect_request(lambda request: "jobs/quote" in request.url) as asked:
        form.get_by_label("Workers").fill("2")
    sent: Any = asked.value.post_data_json
    assert sent["roles"][0]["replicas"] == 2
    expect(price).to_be_visible()
    form.get_by_label("Workers").fill("0")
    expect(price).to_have_count(0)
    _shoot(page, "price")


def test_notifications_are_set_and_the_secret_is_told_once(page: Page, lab: RunningLab) -> None:
    """A refusal stands at its field; what is set stays, and its secret is not shown again."""
    type_command(page, "Notifications of Training")
    page.keyboard.press("Enter")
    form = page.get_by_role("form", name="Notifications of training jobs")
    webhook = form.get_by_label("Webhook")
    webhook.fill("ftp://example.org/x")
    form.get_by_role("button", name="Save").click()
    expect(webhook).to_have_attribute("aria-invalid", "true")

    webhook.fill("https://192.31.196.1/hook")
    form.get_by_label("is paused").check()
    form.get_by_role("button", name="Save").click()

    expect(form).to_contain_text("Copy the secret now")
    _shoot(page, "notices")
    set_now = lab.http.get("dllab/api/notices").raise_for_status().json()
    assert set_now["webhook"] == "https://192.31.196.1/hook"
    assert "paused" in set_now["on"]
    assert set_now["secret"] is None
    webhook.fill("")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("button", name="Send a test")).to_have_attribute(
        "aria-disabled", "true"
    )


def _shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
