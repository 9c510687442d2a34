"""The same way by clicking: log in, form, train, deploy and predict in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from browser_session import Refused
from palette import type_command
from playwright.sync_api import Error, Page, expect, sync_playwright
from running_hub import RunningHub

__all__ = ("USER", "click_through")

USER = "clicker"
CHROMIUM = "/usr/bin/chromium"
#: Trains on the digits and leaves the network in the lab's own folder.
SCRIPT = """
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

from dllab_hub.export import export
from dllab_hub.runtime.report import report

digits = load_digits()
x = torch.tensor(digits.data / 16, dtype=torch.float32)
y = torch.tensor(digits.target)
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
for step in range(1, 201):
    loss = nn.functional.cross_entropy(network(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    report(step, total=200, loss=loss.item())
export(network, x[:1], Path(sys.argv[1]), name="clicked")
print("saved")
"""


@contextmanager
def _page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
        )
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page
        browser.close()


def click_through(hub: RunningHub, shots: Path, step: Callable[..., object]) -> None:
    """Click.

    Args:
        hub: Running.
        shots: Directory that gets a picture of every view.
        step: Of the tour.
    """
    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob("*.png"):
        old.unlink()
    with _page() as page:
        taken = 0

        def shoot(name: str) -> None:
            nonlocal taken
            taken += 1
            page.screenshot(path=str(shots / f"{taken:02}-{name}.png"))

        def act(title: str, do: Callable[[], str], shot: str) -> None:
            with step(title) as saw:  # type: ignore[attr-defined]
                try:
                    saw(do())
                except (AssertionError, Error) as exc:
                    shoot("failed")
                    raise Refused(str(exc)) from exc
                shoot(shot)

        act("click: log in", lambda: _log_in(page, hub), "form")
        act("click: Start", lambda: _start(page), "lab")
        act("click: the sidebar", lambda: _sidebar(page), "sidebar")
        act("click: a new training", lambda: _train(page, hub, shoot), "training")
        act("click: its curves", lambda: _curves(page), "curves")
        act("click: all runs", lambda: _runs(page), "runs")
        act("click: a new deployment", lambda: _deploy(page, shoot), "deployment")
        act("click: try a prediction", lambda: _predict(page), "prediction")
        act("click: the dark theme", lambda: _dark(page), "dark")
        act("click: delete the deployment", lambda: _delete(page, shoot), "deleted")


def _log_in(page: Page, hub: RunningHub) -> str:
    page.goto(hub.facts["address"])
    page.get_by_label(re.compile("user", re.I)).fill(USER)
    page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Start a lab")).to_be_visible()
    return f"as {USER}, the form is there"


def _start(page: Page) -> str:
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", name="Welcome to your lab")).to_be_visible(timeout=90_000)
    return "the welcome notebook"


def _sidebar(page: Page) -> str:
    page.get_by_role("tab", name="DL Lab").click()
    panel = page.locator(".jp-dllab-Sidebar")
    for word in ("GPUs", "Training", "Models"):
        expect(panel.get_by_text(word, exact=True)).to_be_visible()
    return " ".join(panel.inner_text().split())[:200]


def _train(page: Page, hub: RunningHub, shoot: Callable[[str], None]) -> str:
    home = hub.state.homes / USER
    (home / "train.py").write_text(SCRIPT)
    page.get_by_role("button", name="New training").first.click()
    form = page.get_by_role("form", name="New training")
    form.get_by_label("A file of the lab").check()
    form.get_by_label("Python file").fill("train.py")
    form.get_by_label("Arguments").fill(json.dumps(str(home / "clicked.onnx")))
    shoot("training-form")
    form.get_by_role("button", name="Start training").click()
    log = page.get_by_role("log", name=re.compile("Log of train-"))
    expect(log).to_contain_text("saved", timeout=90_000)
    row = page.locator("[data-job^=train-]")
    expect(row).to_contain_text("Succeeded")
    return " ".join(row.inner_text().split())


def _curves(page: Page) -> str:
    tab = page.locator(".jp-dllab-JobTab:visible")
    tab.get_by_role("tab", name="Curves", exact=True).click()
    plot = tab.get_by_role("img", name=re.compile("^loss, "))
    expect(plot.locator("canvas")).to_be_visible()
    return str(plot.get_attribute("aria-label"))


def _runs(page: Page) -> str:
    sidebar = page.get_by_role("region", name="DL Lab", exact=True)
    sidebar.get_by_role("button", name="All runs", exact=True).click()
    tab = page.locator(".jp-dllab-HistoryTab:visible")
    tab.get_by_label("Words in id, tags").fill("cross_entropy")  # It is in the code.
    row = tab.locator("[data-run^=train-]")
    expect(row).to_contain_text("Succeeded")
    return " ".join(row.inner_text().split())


def _deploy(page: Page, shoot: Callable[[str], None]) -> str:
    page.get_by_role("button", name="New deployment").first.click()
    form = page.get_by_role("form", name="New deployment")
    form.get_by_label("A model file of the lab").check()
    form.get_by_label("Model file", exact=True).fill("clicked.onnx")
    form.get_by_label("Name of the deployment").fill("clicked")
    form.get_by_label("Replicas").fill("2")
    shoot("deployment-form")
    form.get_by_role("button", name="Deploy", exact=True).click()
    row = page.locator("[data-deployment=clicked]")
    expect(row).to_contain_text("Ready", timeout=60_000)
    expect(row).to_contain_text("2")
    return " ".join(row.inner_text().split())


def _predict(page: Page) -> str:
    page.get_by_role("button", name="Send").click()
    answer = page.get_by_label("Answer", exact=True)
    expect(answer).to_contain_text("predictions")
    status = page.locator(".jp-dllab-Predict-status").inner_text()
    found = json.loads(answer.inner_text())["predictions"]
    if len(found[0]) != 10:
        raise AssertionError(f"expected ten numbers, got {found}")
    return f"{status}; the first digit is a {found[0].index(max(found[0]))}"


def _dark(page: Page) -> str:
    type_command(page, "JupyterLab Dark")
    page.locator(".lm-CommandPalette-itemLabel", has_text="JupyterLab Dark").first.click()
    expect(page.locator("body[data-jp-theme-light=false]")).to_be_attached()
    page.wait_for_timeout(500)  # The theme's style sheet fades in.
    return "on"


def _delete(page: Page, shoot: Callable[[str], None]) -> str:
    page.get_by_role("button", name=re.compile("^Delete")).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    shoot("delete-dialog")
    said = " ".join(dialog.inner_text().split())
    dialog.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.locator("[data-deployment=clicked]")).to_have_count(0)
    return said[:160]
