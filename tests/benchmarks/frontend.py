"""The front end: what a browser has to load, and what a panel does that nobody sees."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from gpu import nvdashboard
from playwright.sync_api import Page, sync_playwright
from table import Row, Spread

import dllab_hub
from dllab_hub.testing.nvml import FakeNvml

BUILT = Path(dllab_hub.__file__).parent / "labextension"
CHROMIUM = os.environ.get("DLLAB_TEST_CHROMIUM", "/usr/bin/chromium")
#: Seconds in which changes of the page are counted, and how often.
WINDOW, TIMES = 10, 3
#: Seconds until JupyterLab has loaded what it loads late.
SETTLED = 60
QUIET = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
#: Counts what changes inside our panel, wherever JupyterLab keeps it.
COUNT = """seconds => new Promise(done => {
  const panel = document.querySelector('.jp-dllab-Sidebar');
  let changes = 0;
  const observer = new MutationObserver(records => { changes += records.length; });
  observer.observe(panel, {subtree: true, childList: true, characterData: true, attributes: true});
  setTimeout(() => { observer.disconnect(); done(changes); }, seconds * 1000);
})"""


def compressed(folder: Path) -> float:
    """KiB of all that a browser may load from a labextension, each file compressed by itself."""
    files = [path for path in (folder / "static").rglob("*") if path.suffix in {".js", ".css"}]
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in files) / 1024


@contextmanager
def page(root: Path) -> Iterator[Page]:
    """JupyterLab with our panel in front, on a machine with eight fake GPUs."""
    for name in ("config/labconfig", "share/labextensions", "work"):
        (root / name).mkdir(parents=True)
    (root / "share/labextensions/dllab-hub").symlink_to(BUILT)
    (root / "config/labconfig/default_setting_overrides.json").write_text(json.dumps(QUIET))
    fake = FakeNvml.build(root / "nvml", gpus=8)
    token = secrets.token_hex()
    env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | {
        **fake.env,
        "HOME": str(root),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTER_PATH": str(root / "share"),
        "JUPYTER_TOKEN": token,
        "DLLAB_HOME": str(root / "state"),
    }
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root",
             "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
             "--ServerApp.jpserver_extensions={'dllab_hub': True}",
             f"--ServerApp.root_dir={root / 'work'}"],
            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            )
            shown = browser.new_page(viewport={"width": 1300, "height": 900})
            shown.goto(f"{_address(server, root)}lab?token={token}")
            shown.get_by_role("tab", name="DL Lab").click(timeout=60_000)
            shown.get_by_text("Fake GPU").first.wait_for(timeout=60_000)
            yield shown
            browser.close()
    finally:
        server.terminate()
        server.wait(30)


def _cpu_of(shown: Page) -> float:
    """CPU seconds a minute of the browser as it is."""
    before = _cpu()
    shown.wait_for_timeout(WINDOW * 1000)
    return (_cpu() - before) * 60 / WINDOW


def _cpu() -> float:
    """Seconds of CPU that the browser's processes have used."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name().startswith("chrom"):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def _address(server: subprocess.Popen[bytes], root: Path) -> str:
    for _ in range(600):
        assert server.poll() is None, (root / "log").read_text()
        for path in (root / "runtime").glob("jpserver-*.json"):
            try:
                url = str(json.loads(path.read_text())["url"]).replace("localhost", "127.0.0.1")
                httpx.get(f"{url}api", trust_env=False, timeout=5).raise_for_status()
            except (httpx.HTTPError, ValueError):
                continue  # Not yet.
            return url
        time.sleep(0.1)
    raise AssertionError((root / "log").read_text())


def rows() -> Iterator[Row]:
    """Measure."""
    [peer] = nvdashboard().parents[1].glob("share/jupyter/labextensions/jupyterlab-nvdashboard")
    ours = compressed(BUILT)
    yield Row(
        "frontend: all of it, compressed; the peer is jupyterlab-nvdashboard",
        Spread((ours,), "KiB"),
        Spread((compressed(peer),), "KiB"),
        "<= 120 KiB",
        ours <= 120,
    )
    with tempfile.TemporaryDirectory(prefix="dllab-bench-") as name, page(Path(name)) as shown:
        seen: list[float] = []
        hidden: list[float] = []
        busy: list[float] = []
        idle: list[float] = []
        shown.wait_for_timeout(SETTLED * 1000)
        for _ in range(TIMES):
            if not shown.locator(".jp-dllab-Sidebar").is_visible():
                shown.get_by_role("tab", name="DL Lab").click()
            seen.append(shown.evaluate(COUNT, WINDOW))
            busy.append(_cpu_of(shown))  # Not while changes are counted: that costs some too.
            shown.get_by_role("tab", name="File Browser").click()
            shown.wait_for_timeout(2000)  # What was on its way may still be drawn.
            hidden.append(shown.evaluate(COUNT, WINDOW))
            idle.append(_cpu_of(shown))
    yield Row(
        f"frontend: changes of the page by a hidden panel in {WINDOW} s; the peer is it in front",
        Spread(tuple(hidden), "changes"),
        Spread(tuple(seen), "changes"),
        "0, and more than 0 in front",
        max(hidden) == 0 and min(seen) > 0,
    )
    drawing, resting = Spread(tuple(busy), "CPU s/min"), Spread(tuple(idle), "CPU s/min")
    yield Row(
        "frontend: all CPU of a browser that shows 8 GPUs at 1 Hz; the peer is it with them hidden",
        drawing,
        resting,
        "<= 2 CPU s/min",
        drawing.median <= 2,
    )
