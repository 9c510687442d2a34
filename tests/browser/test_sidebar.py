"""The sidebar and the tab of a job, in a real JupyterLab with the real server extension."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

import dllab_hub

pytestmark = pytest.mark.browser

TOKEN = "a-token-of-the-test"
BUILT = Path(dllab_hub.__file__).parent / "labextension"
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}

SHORT = "import os\nprint('hello from rank', os.environ['RANK'], flush=True)\n"
LONG = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
BROKEN = "raise ValueError('<b id=planted>of rank</b> ' + '0')\n"


@dataclass
class Lab:
    """A running `jupyter lab` and its REST interface."""

    url: str
    http: httpx.Client

    def submit(self, name: str, source: str, **more: Any) -> str:
        """Submit a job; its id."""
        spec = {
            "name": name,
            "image": "here",
            "code": {"source": source},
            "max_restarts": 0,
            **more,
        }
        answer = self.http.post("dllab/api/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def cancel(self, id: str) -> None:
        """End a job."""
        self.http.post(f"dllab/api/jobs/{id}/cancel").raise_for_status()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A plain `jupyter lab`, without a hub, with a state directory of its own."""
    assert (BUILT / "package.json").is_file(), "build it first: npm --prefix labextension run build"
    root = tmp_path_factory.mktemp("lab")
    for name in ("home", "config/labconfig", "runtime", "share/labextensions", "work"):
        (root / name).mkdir(parents=True)
    (root / "share/labextensions/dllab-hub").symlink_to(BUILT)
    (root / "config/labconfig/default_setting_overrides.json").write_text(json.dumps(QUIET))
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "DLLAB_"))}
    env |= {
        "HOME": str(root / "home"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTER_PATH": str(root / "share"),
        "JUPYTER_PREFER_ENV_PATH": "0",
        "JUPYTER_TOKEN": TOKEN,
        "DLLAB_HOME": str(root / "dllab"),
        "PYTHONPATH": str(Path(dllab_hub.__file__).parents[1]),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"]
    command += ["--ServerApp.jpserver_extensions={'dllab_hub': True}"]
    command += [f"--ServerApp.root_dir={root / 'work'}"]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = _address(server, root)
        with httpx.Client(
            base_url=url,
            headers={"Authorization": f"token {TOKEN}"},
            trust_env=False,
            timeout=30,
        ) as http:
            yield Lab(url, http)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _address(server: subprocess.Popen[bytes], root: Path) -> str:
    """Where the server listens, once it does."""
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        for path in (root / "runtime").glob("jpserver-*.json"):
            url = str(json.loads(path.read_text())["url"]).replace("localhost", "127.0.0.1")
            try:
                if httpx.get(f"{url}api", trust_env=False, timeout=5).status_code == 200:
                    return url
            except httpx.HTTPError:
                pass  # Not yet; asked again below.
        time.sleep(0.2)
    raise AssertionError("jupyter lab did not start:\n" + (root / "log").read_text()[-4000:])


@pytest.fixture(scope="module")
def browser_page(lab: Lab) -> Iterator[Page]:
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
        if message.type == "error":
            complaints.append(message.text)

    def on_error(error: Any) -> None:
        complaints.append(str(error))

    browser_page.on("console", on_console)
    browser_page.on("pageerror", on_error)
    yield browser_page
    browser_page.remove_listener("console", on_console)
    browser_page.remove_listener("pageerror", on_error)
    assert complaints == []


def _row(page: Page, id: str) -> Any:
    return page.locator(f'[data-job="{id}"]')


def test_a_machine_without_gpus_is_a_calm_state(page: Page, lab: Lab) -> None:
    """The GPUs section lists GPUs, or says in one calm sentence why there is none."""
    report = lab.http.get("dllab/api/gpus").raise_for_status().json()

    if report["gpus"]:
        expect(page.locator(".jp-dllab-Gpu")).to_have_count(len(report["gpus"]))
    else:
        expect(page.locator(".jp-dllab-Gpus")).to_contain_text(report["message"])
    expect(page.locator(".jp-dllab-Trouble")).to_have_count(0)


def test_no_job_yet(page: Page) -> None:
    """Before the first job the section says what to type."""
    expect(page.locator(".jp-dllab-Jobs")).to_contain_text("%%train --workers 2")


def test_job_appears_and_its_log_can_be_read(page: Page, lab: Lab) -> None:
    """A job that was submitted elsewhere shows up, ends, and its log is one click away."""
    id = lab.submit("hello", SHORT, roles=[{"name": "worker", "replicas": 2}])

    expect(_row(page, id)).to_contain_text("Succeeded", timeout=30_000)
    _row(page, id).get_by_role("button", name=f"Logs of {id}").click()
    log = page.get_by_role("log", name=f"Log of {id}")
    expect(log).to_contain_text("[worker-1] hello from rank 1")
    page.get_by_role("combobox", name="Replica").select_option("worker-0")
    expect(log).to_have_text(re.compile(r"^hello from rank 0\s*$"))


def test_live_log_and_cancel(page: Page, lab: Lab) -> None:
    """Cancel says what is lost and cancels only when the person confirms it."""
    id = lab.submit("endless", LONG)
    try:
        expect(_row(page, id)).to_contain_text("Running", timeout=30_000)
        page.get_by_role("button", name=f"Logs of {id}").click()
        expect(page.get_by_role("log", name=f"Log of {id}")).to_contain_text("up")
        cancel = _row(page, id).get_by_role("button", name=f"Cancel {id}")

        cancel.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("No checkpoint has been seen")
        dialog.get_by_role("button", name="Keep running").click()
        expect(_row(page, id)).to_contain_text("Running")

        cancel.click()
        dialog.get_by_role("button", name="Cancel job").click()
        expect(_row(page, id)).to_contain_text("Cancelled", timeout=30_000)
        expect(page.get_by_text(f"{id} was cancelled.")).to_be_visible()
    finally:
        lab.cancel(id)


def test_failure_is_explained_and_harmless(page: Page, lab: Lab) -> None:
    """The first failing replica's traceback is on top of the tab, as text and never as markup."""
    id = lab.submit("broken", BROKEN)

    expect(_row(page, id)).to_contain_text("Failed", timeout=30_000)
    _row(page, id).get_by_role("button", name=f"Logs of {id}").click()
    failure = page.locator(".jp-dllab-Failure:visible")
    expect(failure).to_contain_text("worker-0 failed first: exit code 1")
    expect(failure).to_contain_text("ValueError: <b id=planted>of rank</b> 0")
    expect(page.locator("#planted")).to_have_count(0)


def test_job_tabs_and_panel_come_back(page: Page) -> None:
    """After a reload the panel and the tabs of jobs are where they were."""
    tabs = page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="broken-")
    expect(tabs).to_have_count(1)
    page.wait_for_timeout(1500)  # JupyterLab saves the layout a moment after the last change.

    page.reload()

    expect(tabs).to_have_count(1, timeout=60_000)
    expect(page.locator(".jp-dllab-Jobs")).to_be_visible()


def test_commands_are_in_the_palette(page: Page) -> None:
    """Everything can be started from the command palette."""
    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill("DL Lab")

    for label in ("Show DL Lab", "Cancel Training Job…", "Open Logs of Training Job…"):
        expect(page.locator(".lm-CommandPalette-itemLabel", has_text=label)).to_be_visible()
    page.keyboard.press("Escape")


def test_hidden_panel_asks_nothing(page: Page) -> None:
    """While the panel is closed no GPU is read and nothing of ours is drawn."""
    tab = page.get_by_role("tab", name="DL Lab")
    tab.click()
    expect(page.locator(".jp-dllab-Sidebar")).to_be_hidden()
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(
        """() => {
          window.drawn = 0;
          new MutationObserver(() => window.drawn++).observe(
            document.querySelector('.jp-dllab-Sidebar'),
            { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )

    page.wait_for_timeout(5000)

    assert [url for url in asked if "dllab/api/gpus" in url] == []
    assert page.evaluate("window.drawn") == 0
    tab.click()
    expect(page.locator(".jp-dllab-Jobs")).to_be_visible()
