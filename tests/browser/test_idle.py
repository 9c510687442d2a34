"""A lab that nobody uses, in a real hub and a real browser: the warning, Keep, Release GPU."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from running_hub import RunningHub, hub_with_gpus

from dllab_hub.testing.nvml import FakeNvml

_SHOTS = os.environ.get("DLLAB_TEST_SHOTS")  # No test sees it any more.
pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def idle_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub with a lab of ada's that is stopped after a minute without use, and has a GPU."""
    with hub_with_gpus(tmp_path_factory.mktemp("hub")) as hub:
        FakeNvml(hub.home.parent / "nvml").set(gpu=0, utilization=0)  # One that computes is used.
        options = {"image": "pytorch", "gpus": 1, "idle": 1, "volumes": ["digits"]}
        assert hub.spawn("ada", options).status_code in (201, 202)
        hub.wait_ready("ada")
        yield hub


@pytest.fixture(scope="module")
def page(idle_hub: RunningHub) -> Iterator[Page]:
    """JupyterLab of that lab."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("DLLAB_TEST_CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(60_000)
        page.goto(f"{idle_hub.facts['address']}/hub/login?next=/user/ada/lab")
        page.get_by_label("Username:").fill("ada")
        page.get_by_label("Password:").fill(idle_hub.facts["password"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("tab", name="DL Lab")).to_be_visible(timeout=90_000)
        yield page
        browser.close()


def test_the_launcher_has_the_lab(page: Page) -> None:
    """A tile says what was picked and leads to the page with all ways into the lab."""
    tile = page.locator('.jp-LauncherCard[title*="What was picked"]')

    expect(tile).to_have_attribute("title", "What was picked, and ways into it: "
                                   "PyTorch 2.13 · 1 GPU · Digits")  # fmt: skip
    with page.context.expect_page() as opened:
        tile.click()
    expect(opened.value).to_have_url(re.compile(r"/user/ada/dllab/$"))
    opened.value.close()


def test_the_warning_counts_down_and_keep_ends_it(page: Page, idle_hub: RunningHub) -> None:
    """An open page warns before its lab is stopped; Keep puts the end off."""
    warning = page.get_by_text("Nobody uses this lab: it is stopped in")

    expect(warning).to_be_visible(timeout=90_000)
    shot(page, "idle-warning")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(warning).to_have_count(0)
    assert idle_hub.server("ada") is not None


def test_moving_about_is_use(page: Page) -> None:
    """Who presses a key is there: the server knows it without a question, the warning goes."""
    with page.expect_response(re.compile(r"/dllab/api/idle\?"), timeout=60_000) as read:
        pass  # The page asks by itself.
    warning = page.get_by_text("Nobody uses this lab: it is stopped in")
    expect(warning).to_be_visible(timeout=90_000)
    with page.expect_response(re.compile("/dllab/api/idle/keep")) as kept:
        page.keyboard.press("Shift")

    expect(warning).to_have_count(0)
    assert kept.value.json()["since"] > read.value.json()["since"]


def test_release_restarts_on_the_cpu_and_says_how_to_undo(page: Page) -> None:
    """After the question the lab comes back on the CPU, and the page offers its GPU again."""
    page.keyboard.press("ControlOrMeta+Shift+c")
    page.get_by_role("textbox", name="SEARCH").fill("Release GPUs")
    page.get_by_role("menuitem", name="Release GPUs").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("kernels and terminals end, all files stay")
    shot(page, "idle-release")
    dialog.get_by_role("button", name="Release GPU").click()

    expect(page.get_by_text("The lab was restarted on the CPU")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("button", name="Take the GPU back")).to_be_visible()
    shot(page, "idle-released")


def shot(page: Page, name: str) -> None:
    """A picture to look at, where DLLAB_TEST_SHOTS names a directory."""
    if _SHOTS:
        page.screenshot(path=f"{_SHOTS}/{name}.png")
