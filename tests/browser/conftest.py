"""What the tests of the front end share: a lab, and its page in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from running_lab import TOKEN, RunningLab, running_lab

expect.set_options(timeout=15_000)  # The machine may be busy with other tests.


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    """A plain `jupyter lab`, without a hub, with a state directory of its own."""
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def browser_page(lab: RunningLab) -> Iterator[Page]:
    """The page of the lab in a browser, with our panel open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("DLLAB_TEST_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(30_000)
        page.goto(f"{lab.url}lab?token={TOKEN}")
        page.get_by_role("tab", name="DL Lab").click(timeout=60_000)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    """The page, with what it complains about collected; complaints fail the test."""
    complaints: list[str] = []

    def on_console(message: Any) -> None:
        # The browser itself notes every refusal; what the page makes of it is what counts.
        refused = re.search("status of 40[04]", message.text)
        if message.type == "error" and not (refused and "/dllab/api/" in message.location["url"]):
            complaints.append(message.text)

    def on_error(error: Any) -> None:
        complaints.append(str(error))

    browser_page.on("console", on_console)
    browser_page.on("pageerror", on_error)
    yield browser_page
    browser_page.remove_listener("console", on_console)
    browser_page.remove_listener("pageerror", on_error)
    assert complaints == []
