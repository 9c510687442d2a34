"""Log in, use the form, land in JupyterLab: a real hub in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from running_hub import RunningHub, hub_with_gpus

pytestmark = pytest.mark.browser

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub on a machine with two fake GPUs and one volume."""
    with hub_with_gpus(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A new browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser.new_page()
        browser.close()


def test_from_login_to_a_training_in_the_sidebar(hub: RunningHub, page: Page) -> None:
    """A person logs in, picks with the form, lands in the welcome notebook and sees the sidebar."""
    page.goto(hub.facts["address"])
    page.get_by_label(re.compile("user", re.I)).fill("ada")
    page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Start a lab")).to_be_visible()
    expect(page.get_by_text("2 of 2 are free")).to_be_visible()
    page.get_by_role("spinbutton").fill("1")
    expect(page.get_by_text("Starts now: 2 of 2 free.")).to_be_visible()
    page.get_by_label(re.compile("Digits")).check()
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.get_by_role("heading", name="Welcome to your lab")).to_be_visible(timeout=60_000)
    # The question about Jupyter's own news would be the first thing that a new person sees.
    expect(page.get_by_text("official Jupyter news")).to_have_count(0)
    page.get_by_role("tab", name="DL Lab").click()
    expect(page.get_by_text("Fake GPU").first).to_be_visible(timeout=20_000)
    assert (hub.home / "homes" / "ada" / "data" / "digits").is_symlink()


def test_a_wish_that_cannot_be_met_is_explained_on_the_page(hub: RunningHub, page: Page) -> None:
    """GPUs that another lab holds are refused with a sentence, and the form is there again."""
    page.goto(hub.facts["address"])
    page.get_by_label(re.compile("user", re.I)).fill("grace")
    page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("1 of 2 is free; held by 1 other person")).to_be_visible()
    page.get_by_role("spinbutton").fill("2")
    expect(page.locator("#dllab-forecast")).to_contain_text("Has to wait: 1 of 2 is free")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text(
        "Has to wait: 1 of 2 is free; held by 1 other person", timeout=20_000
    )
    expect(page.get_by_role("spinbutton")).to_have_value("2")
    expect(page.get_by_text("ada", exact=True)).to_have_count(0)
