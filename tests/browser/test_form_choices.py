"""The form in a real browser: what its script adds, with links, names, refusals and languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running_hub import RunningHub, hub_with_gpus

pytestmark = pytest.mark.browser

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH3kZ0x0mXW1dVqoV2o8mAkq1x1p3Pz1a6o0bq8y3b6e ada@laptop"
GOOD_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHYPX3egS+29abeT/+/tNfnrEAX5+Utc0CgHce54B0+K ada@laptop"
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub on a machine with two fake GPUs and one volume."""
    with hub_with_gpus(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def logged_in(hub: RunningHub, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of a person who has logged in."""
    path = tmp_path_factory.mktemp("cookies") / "state.json"
    page = browser.new_page()
    page.goto(hub.facts["address"])
    page.get_by_label(re.compile("user", re.I)).fill("picker")
    page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Start a lab")).to_be_visible()
    page.context.storage_state(path=path)
    page.context.close()
    return path


@pytest.fixture
def page(hub: RunningHub, browser: Browser, logged_in: Path) -> Iterator[Page]:
    """The form; whatever the page complains about fails the test."""
    context = browser.new_context(storage_state=logged_in)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{hub.facts['address']}/hub/spawn")
    yield page
    context.close()
    assert complaints == []


def test_one_gpu_too_many_is_explained_and_one_click_smaller(page: Page) -> None:
    """The stepper goes one further than there can be, to say why; the button takes it back."""
    number, more = page.get_by_role("spinbutton"), page.get_by_role("button", name="One GPU more")
    for _ in range(4):
        more.click()
    expect(number).to_have_value("3")
    expect(page.locator("#dllab-forecast")).to_contain_text("Can never start")

    page.get_by_role("button", name="Take 2 GPUs instead").click()

    expect(number).to_have_value("2")
    expect(number).to_be_focused()
    expect(page.locator("#dllab-forecast")).to_contain_text("Starts now")
    expect(page.locator("#dllab-summary")).to_contain_text("2 GPUs")


def test_a_link_fills_the_form_in_and_carries_no_key(page: Page, hub: RunningHub) -> None:
    """What is copied is what is shown, for anybody; a key stays with its owner."""
    page.get_by_role("spinbutton").fill("1")
    page.get_by_label(re.compile("Digits")).check()
    page.get_by_text("Packages on top").click()
    page.locator("#dllab-requirements").fill("numpy>=2\ntqdm")
    page.locator("#dllab-tensorboard").uncheck()
    page.locator("#dllab-ssh").check()
    page.locator("#dllab-ssh-key").fill(KEY)
    page.get_by_role("button", name="Copy a link to this choice").click()
    expect(page.locator("#dllab-copied")).to_contain_text("Your SSH key is not part of a link")
    link = page.locator("#dllab-link").input_value()

    assert link.startswith(f"{hub.facts['address']}/hub/spawn#")
    assert "ssh" not in link
    page.goto(f"{hub.facts['address']}/hub/home")
    page.goto(f"{link}&shell=1&ssh_key=x")

    expect(page.get_by_role("spinbutton")).to_have_value("1")
    expect(page.get_by_label(re.compile("Digits"))).to_be_checked()
    expect(page.locator("#dllab-requirements")).to_have_value("numpy>=2\ntqdm")
    expect(page.locator("#dllab-tensorboard")).not_to_be_checked()
    expect(page.locator("#dllab-ssh-key")).to_have_value("")
    expect(page.locator("#dllab-strange")).to_contain_text("shell=1, ssh_key=x")
    page.get_by_role("button", name="Copy a link that starts it at once").click()
    asked = re.escape("?opt-image=pytorch&opt-requirements=numpy%3E%3D2%0Atqdm")
    expect(page.locator("#dllab-link")).to_have_value(re.compile(asked))


def test_a_name_makes_it_another_lab(page: Page) -> None:
    """The form goes to the lab of the name that is typed; a name that cannot be is told."""
    form, name = page.locator("#spawn_form"), page.get_by_label("Lab name")

    name.fill("second")
    expect(form).to_have_attribute("action", re.compile("/hub/spawn/picker/second[?]_xsrf="))
    name.fill("Not a name")
    expect(form).to_have_attribute("action", re.compile("/hub/spawn/picker[?]_xsrf="))
    assert not name.evaluate("field => field.checkValidity()")


def test_a_refusal_points_at_its_field(page: Page) -> None:
    """Everything is as it was typed, the reason stands at the field, which has the focus."""
    page.get_by_role("spinbutton").fill("1")
    page.locator("#dllab-ssh").check()
    key = page.locator("#dllab-ssh-key")
    key.fill("<b id=planted>no key")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("ssh_key: this is no OpenSSH public key.")
    expect(key).to_have_value("<b id=planted>no key")
    expect(key).to_be_focused()
    expect(key).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("spinbutton")).to_have_value("1")
    expect(page.locator(".dllab-wrong")).to_contain_text("Paste the line in the file")
    expect(page.locator("#planted")).to_have_count(0)


def test_a_remedy_keeps_what_was_typed(page: Page, hub: RunningHub) -> None:
    """The button beside a refusal starts the smaller lab with the key that was just pasted."""
    assert hub.spawn("holder", {"gpus": 2}).status_code in (201, 202)
    hub.wait_ready("holder")
    page.reload()
    page.get_by_role("spinbutton").fill("2")
    page.locator("#dllab-tensorboard").uncheck()
    page.locator("#dllab-ssh").check()
    page.locator("#dllab-ssh-key").fill(GOOD_KEY)
    page.get_by_label("Lab name").fill("keyed")
    page.get_by_role("button", name="Start", exact=True).click()

    page.get_by_role("alert").get_by_role("link", name="Start on the CPU").click()

    page.wait_for_url(re.compile("/hub/spawn-pending/|/user/picker/keyed/"), timeout=30_000)
    hub.wait_ready("picker", "keyed")
    page.goto("about:blank")
    options = (hub.server("picker", "keyed") or {})["user_options"]
    hub.end("holder")
    hub.end("picker", "keyed")
    assert (0, GOOD_KEY, False) == tuple(options[f] for f in ("gpus", "ssh_key", "tensorboard"))


def test_a_language_is_chosen_for_good(page: Page) -> None:
    """One click, and this page and the next ones are in that language."""
    page.get_by_role("link", name="简体中文").click()
    expect(page.get_by_role("heading", name="启动实验室")).to_be_visible()
    page.get_by_role("spinbutton").fill("1")
    expect(page.locator("#dllab-forecast")).to_contain_text("现在就能启动")
    page.reload()
    expect(page.get_by_role("heading", name="启动实验室")).to_be_visible()

    page.get_by_role("link", name="English").click()

    expect(page.get_by_role("heading", name="Start a lab")).to_be_visible()


def test_it_fits_a_telephone(page: Page) -> None:
    """At 360 pixels nothing is wider than the screen, and Start is in sight."""
    page.set_viewport_size({"width": 360, "height": 640})

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_in_viewport()


def test_without_javascript(hub: RunningHub, browser: Browser, logged_in: Path) -> None:
    """The form is complete, says what each number of GPUs would meet, and is sent."""
    context = browser.new_context(storage_state=logged_in, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{hub.facts['address']}/hub/spawn")
    # Playwright looks for no text and no role in these; a person sees them.
    sentences, other = page.locator("noscript li"), page.locator("noscript a")
    expect(sentences.nth(1)).to_have_text("1-2: Starts now: 2 of 2 free.")
    expect(sentences.nth(1)).to_be_visible()
    expect(other).to_have_text("Start another one beside it")
    expect(page.get_by_role("button", name="Copy a link to this choice")).to_have_count(0)

    page.locator("#dllab-ssh").check()
    page.locator("#dllab-ssh-key").fill("no key")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("this is no OpenSSH public key.")
    context.close()
