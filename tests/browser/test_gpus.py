"""The section GPUs and the alerts, in a real JupyterLab on a machine with fake GPUs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect
from running_lab import TOKEN, RunningLab, running_lab
from served import until

from dllab_hub.leases import LeaseDir
from dllab_hub.testing.nvml import FakeNvml

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SHOTS = os.environ.get("DLLAB_TEST_SHOTS")  # Read now: tests have no variables of ours.
GIB = 2**30
LOST = "GPU 5 is lost, or has to be reset"


def _uuid(index: int) -> str:
    return f"GPU-00000000-0000-0000-0000-{index:012d}"


@pytest.fixture(scope="module")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> FakeNvml:
    """Six GPUs: two of a lab of mine, one divided, one sick, one of somebody else, one free."""
    fake = FakeNvml.build(tmp_path_factory.mktemp("nvml"), gpus=6)
    fake.divide(2, "1g.10gb", "2g.20gb", "3g.40gb")
    fake.set(gpu=0, utilization=92, temperature=91, throttle=0x20 | 0x40 | 0x4, power=240000)
    fake.set(gpu=1, processes=f"{os.getpid()}:{3 * GIB} 4000001:{GIB}")
    fake.set(gpu=3, ecc="12 3", recovery=1)
    return fake


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, nvml: FakeNvml) -> Iterator[RunningLab]:
    root = tmp_path_factory.mktemp("gpus")
    leases = LeaseDir(root / "dllab" / "leases")
    slices = [f"MIG-00000000-0000-0000-0002-{number:012d}" for number in range(3)]
    with running_lab(root, more=nvml.env) as running, ExitStack() as held:
        user = until(lambda: running.http.get("dllab/api/status").json().get("user"))  # It starts.
        for uuids, holder in (
            ([_uuid(0), _uuid(1)], _holder("lab", user, "big <b>")),
            (slices[:1], _holder("job", user, "digits")),
            ([slices[1], _uuid(4)], _holder("job", "bob", "secret")),
        ):
            held.enter_context(leases.take(uuids, len(uuids), holder))
        yield running


def _holder(kind: str, owner: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "owner": owner, "name": name, "id": f"{kind}-1"}


def _gpu(page: Page, uuid: str) -> Locator:
    return page.locator(f'[data-gpu="{uuid}"]')


def test_my_gpus_come_first_by_name(page: Page) -> None:
    """What my labs and jobs hold, then what is free; a divided GPU stands above my slice of it."""
    mine = page.get_by_role("list", name="My GPUs")
    free = page.get_by_role("list", name="Free")

    expect(mine.locator(":scope > li")).to_have_count(3)
    expect(_gpu(page, _uuid(0))).to_contain_text("held by lab big <b>")
    expect(mine.locator("[data-slice]")).to_contain_text("GPU 2, slice 0")
    expect(mine.locator("[data-slice]")).to_contain_text("held by job digits")
    expect(mine.locator("[data-slice]")).to_contain_text("load unknown")
    expect(free.locator(":scope > li")).to_have_count(3)
    expect(free).to_contain_text("GPU 2, slice 2")
    _shoot(page, "gpus")


def test_what_is_wrong_is_in_words(page: Page) -> None:
    """Heat with its limit, why it is slow, errors of memory and what has to be done."""
    hot, sick = _gpu(page, _uuid(0)), _gpu(page, _uuid(3))

    for words in ("Slowed down by heat.", "Held back by its power limit.", "91 / 90 °C"):
        expect(hot).to_contain_text(words)
    expect(hot).to_contain_text("240 / 250 W")
    expect(sick).to_contain_text("It has to be reset.")
    expect(sick).to_contain_text("3 memory errors could not be corrected.")


def test_other_people_are_one_line_of_totals(page: Page) -> None:
    """It is unfolded with the keyboard, and says whose they are where there is nobody else."""
    line = page.get_by_text("2 GPUs of others")
    expect(line).to_contain_text(re.compile(r"of 36\.0 GiB"))
    expect(page.get_by_role("list", name="GPUs of others")).to_have_count(0)

    line.focus()
    page.keyboard.press("Enter")

    others = page.get_by_role("list", name="GPUs of others")
    expect(others.locator(":scope > li")).to_have_count(2)
    expect(others).to_contain_text("held by job secret of bob")
    page.keyboard.press("Enter")
    expect(others).to_have_count(0)


def test_details_and_processes(page: Page) -> None:
    """Behind a disclosure: identity, limits, clocks and whose processes use it."""
    gpu = _gpu(page, _uuid(1))
    details = gpu.locator("summary")
    expect(gpu).not_to_contain_text("UUID")

    details.focus()
    page.keyboard.press("Enter")

    for words in (_uuid(1), "575.64.03", "MHz", "slows down at 90 °C, turns off at 95 °C"):
        expect(gpu).to_contain_text(words)
    processes = gpu.get_by_role("list", name="Processes").get_by_role("listitem")
    expect(processes).to_have_count(2)
    expect(processes.nth(0)).to_contain_text(f"({os.getpid()}) · 3.0 GiB · not of this lab")
    expect(processes.nth(1)).to_contain_text("process · 1.0 GiB · unknown here")
    _shoot(page, "gpus-details")
    page.keyboard.press("Enter")


def test_the_machine(page: Page) -> None:
    """CPU, memory and disk stand at the bottom, each as a meter with its text."""
    machine = page.locator(".jp-dllab-Machine")

    for name, words in (("CPU", r"[\d.?]+ / [\d.]+ CPUs"), ("Memory", r"[\d.]+ / [\d.]+ GiB")):
        meter = machine.get_by_role("meter", name=name)
        expect(meter).to_have_attribute("aria-valuetext", re.compile(f"^{words}$"))
    expect(machine.get_by_role("meter", name="Disk home")).to_be_visible()


def test_an_alert_comes_is_silenced_and_goes(page: Page, nvml: FakeNvml, lab: RunningLab) -> None:
    """It is told once, stands on top and in the status bar; silence and its end are told too."""
    alerts = page.get_by_role("region", name="Alerts")
    toasts = page.locator(".jp-toastContainer, .Toastify").get_by_text(LOST)
    status = page.locator(".jp-dllab-Status")

    nvml.set(gpu=5, error=FakeNvml.GPU_IS_LOST)
    expect(alerts).to_contain_text(LOST, timeout=30_000)
    expect(alerts).to_contain_text("Critical:")
    expect(toasts).to_be_visible()
    expect(status).to_contain_text("1 alert")
    expect(_gpu(page, _uuid(5))).to_contain_text("fell off the bus")
    _shoot(page, "alert")

    page.reload()
    expect(alerts).to_contain_text(LOST, timeout=60_000)
    expect(status).to_contain_text("1 alert")
    expect(toasts).to_have_count(0)

    alerts.get_by_role("button", name=re.compile("^Silence 1 h")).click()
    expect(alerts).to_contain_text("silenced until")
    expect(status).not_to_contain_text("alert")
    alerts.get_by_role("button", name=re.compile("^Unsilence")).click()
    expect(status).to_contain_text("1 alert")

    nvml.set(gpu=5, error=0)
    expect(alerts).to_contain_text("Over, ", timeout=30_000)
    expect(status).not_to_contain_text("alert")
    assert [] == [a for a in _alerts(lab) if a["state"] == "firing"]


def test_the_end_of_an_alert_changes_what_was_said(page: Page, nvml: FakeNvml) -> None:
    """A notification that still stands says that it is over, and offers nothing any more."""
    toast = page.locator(".Toastify__toast", has_text=LOST)

    nvml.set(gpu=5, error=FakeNvml.GPU_IS_LOST)
    expect(toast).to_be_visible(timeout=30_000)
    expect(toast.get_by_role("button", name="Silence 1 h")).to_be_visible()

    nvml.set(gpu=5, error=0)
    expect(toast).to_contain_text("Over:", timeout=30_000)
    expect(toast.get_by_role("button", name="Silence 1 h")).to_have_count(0)


def test_an_older_server_tells_neither_alerts_nor_machine(page: Page, lab: RunningLab) -> None:
    """Where the server does not know the addresses, both are left out and asked for once."""
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page()
    asked: list[str] = []

    def missing(route: Route) -> None:
        asked.append(route.request.url)
        error = {"code": "not_found", "message": "there is no such thing.", "hint": ""}
        route.fulfill(status=404, body=json.dumps({"error": error}))

    other.route(re.compile(r"dllab/api/(alerts|host)\?"), missing)
    other.goto(f"{lab.url}lab/workspaces/older?token={TOKEN}")
    other.get_by_role("tab", name="DL Lab").click(timeout=60_000)

    expect(other.locator(".jp-dllab-Gpu").first).to_be_visible()
    other.wait_for_timeout(6000)
    expect(other.locator(".jp-dllab-Machine, .jp-dllab-Alerts, .jp-dllab-Trouble")).to_have_count(0)
    assert len([url for url in asked if "host" in url]) == 1
    other.close()


def test_alerts_that_cannot_be_read_are_not_all_well(page: Page, lab: RunningLab) -> None:
    """Where neither the stream nor the address tells of alerts the section says why."""
    browser = page.context.browser
    assert browser is not None
    other = browser.new_page(base_url=lab.url)
    other.route_web_socket(re.compile("gpus/stream"), lambda socket: socket.close())
    error = {"code": "unavailable", "message": "alerts cannot be read now.", "hint": ""}

    def failing(route: Route) -> None:
        route.fulfill(status=503, body=json.dumps({"error": error}))

    other.route(re.compile(r"dllab/api/alerts\?"), failing)
    other.goto(f"{lab.url}lab/workspaces/blind?token={TOKEN}")
    other.get_by_role("tab", name="DL Lab").click(timeout=60_000)

    expect(other.locator(".jp-dllab-Trouble")).to_contain_text("Alerts cannot be read now.")
    other.close()


def _alerts(lab: RunningLab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        lab.http.get("dllab/api/alerts").raise_for_status().json()["alerts"]
    )
    return found


def _shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
