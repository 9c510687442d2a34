"""The switch that lends a lab's GPU to one's own jobs, in a real JupyterLab."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from running_lab import RunningLab, running_lab

from dllab_hub.leases import LeaseDir
from dllab_hub.testing.nvml import FakeNvml

pytestmark = pytest.mark.browser

LONG = "import time\nprint('up', flush=True)\ntime.sleep(600)\n"
SHOTS = os.environ.get("DLLAB_TEST_SHOTS")  # Read now: tests have no variables of ours.
UUID = "GPU-00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def leases(tmp_path_factory: pytest.TempPathFactory) -> LeaseDir:
    """The locks of the machine on which the lab runs."""
    return LeaseDir(tmp_path_factory.getbasetemp() / "lending" / "dllab" / "leases")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, leases: LeaseDir) -> Iterator[RunningLab]:
    """A lab on a machine with one fake GPU, which another lab of the same person holds."""
    fake = FakeNvml.build(tmp_path_factory.mktemp("nvml"), gpus=1)
    root: Path = leases.path.parents[1]
    with running_lab(root, more=fake.env) as running:
        user = running.http.get("dllab/api/status").raise_for_status().json()["user"]
        holder = {"kind": "lab", "owner": user, "name": "big <b>", "id": "big-1", "lend": False}
        with leases.take([UUID], 1, holder):
            yield running


def test_a_job_gets_the_gpu_that_is_lent(page: Page, lab: RunningLab) -> None:
    """It waits and says what would help; the dialog shows the memory in use; then it runs there."""
    id = lab.submit("borrower", LONG, roles=[{"name": "worker", "replicas": 1, "gpus": 1}])
    row, gpu = page.locator(f'[data-job="{id}"]'), page.locator(".jp-dllab-Gpu")
    switch = page.get_by_role("checkbox", name="Lend to my jobs")
    dialog = page.get_by_role("dialog")
    try:
        expect(row).to_contain_text("Lend your lab's GPUs to start it now.")
        expect(gpu).to_contain_text("held by lab big <b>")

        switch.click()
        expect(dialog).to_contain_text(re.compile(r"GPU 0: \d\.\d of 16\.0 GiB of its memory"))
        _shoot(page, "lend-dialog")
        dialog.get_by_role("button", name="Keep it").click()
        expect(switch).not_to_be_checked()
        expect(row).to_contain_text("Pending")

        switch.click()
        dialog.get_by_role("button", name="Lend", exact=True).click()
        expect(switch).to_be_checked()
        expect(row).to_contain_text("Running")
        expect(gpu).to_contain_text("held by lab big <b>, lent to job borrower")
        _shoot(page, "lent")

        switch.click()
        expect(switch).not_to_be_checked()
        expect(row).to_contain_text("Running")
    finally:
        lab.cancel(id)


def _shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at them."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")
