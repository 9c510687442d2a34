"""A model of a person on a real cluster, from a notebook to its answers, and its tab in a browser.

As `test_cluster_story`, and ``DLLAB_TEST_SERVING_IMAGE`` is an image with the model server, of the
lab's registry: the policy of config/kubernetes, under which all of it runs, allows that one.

It does not show a network that heeds network policies, nor KServe.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cluster_hub import ClusterHub, a_cluster_hub
from cluster_labs import WHY_NOT
from cluster_person import Person
from playwright.async_api import Page, async_playwright, expect
from real_cluster import SERVING_IMAGE, WHY_NOT_SERVED

NOT = WHY_NOT or WHY_NOT_SERVED
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(NOT), reason=NOT or "none"),
]
CHROMIUM = "/usr/bin/chromium"
expect.set_options(timeout=60_000)  # A replica answers in about ten seconds, on two busy cores.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClusterHub]:
    """A hub that serves models, with two labs that run."""
    made = a_cluster_hub(tmp_path_factory.mktemp("hub"), serves=str(SERVING_IMAGE))
    async with made as running:
        for name in ("ada", "grace"):
            answer = running.spawn(name, {"image": "python", "gpus": 0})
            assert answer.status_code in (201, 202), answer.text
            running.wait_ready(name)
        yield running


async def in_a_notebook(hub: ClusterHub, name: str) -> Person:
    session = hub.session(name)
    session.wait_for_lab(60)
    kernel = await session.kernel()
    await kernel.run("%load_ext dllab_hub", 60)
    return Person(session, kernel)


async def ready(person: Person, name: str) -> None:
    """Wait until all its replicas answer."""
    give_up = time.monotonic() + 120
    while (now := person.session.get(f"dllab/api/deployments/{name}"))["state"] != "READY":
        assert time.monotonic() < give_up, (now["state"], now["reason"])
        await asyncio.sleep(0.2)


@pytest_asyncio.fixture(loop_scope="module")
async def page() -> AsyncIterator[Page]:
    """A new browser."""
    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        made = await browser.new_page(viewport={"width": 1400, "height": 950})
        made.set_default_timeout(60_000)
        yield made
        await browser.close()


async def test_from_a_file_to_its_answers(
    hub: ClusterHub, page: Page, onnx_models: Path, tmp_path: Path
) -> None:
    """What a cell deploys answers in it, has a tab that says so, is nobody else's, and ends."""
    ada, grace = [await in_a_notebook(hub, name) for name in ("ada", "grace")]
    text = (onnx_models / "net.onnx").read_bytes().hex()
    await ada.kernel.run(f"open('net.onnx', 'wb').write(bytes.fromhex({text!r}))", 30)
    await ada.kernel.run("%deploy net.onnx --name digits --replicas 2", 120)
    await ready(ada, "digits")
    said = await ada.kernel.run("%predict digits [[1, 2, 3, 4], [1, 1, 1, 1]]", 60)
    nobody = await grace.kernel.run("%endpoints", 60)
    pods = await hub.pods(hub.place.serving, "dllab-hub/deployment=digits")

    assert re.search(r"10\.?0?, *-2", said), said
    assert "digits" not in nobody
    assert 2 == len(pods)
    assert {"ada"} == {one["metadata"]["annotations"]["dllab-hub/owner"] for one in pods}

    await page.goto(hub.facts["address"])
    await page.get_by_label(re.compile("user", re.I)).fill("ada")
    await page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    await page.get_by_role("button", name="Sign in").click()
    await page.goto(f"{hub.facts['address']}/user/ada/lab")
    await page.get_by_role("tab", name="DL Lab").click()
    await page.get_by_role("button", name=re.compile("digits")).first.click()
    await expect(page.get_by_text("2 of 2").first).to_be_visible()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("predictions").first).to_be_visible()
    await page.screenshot(path=tmp_path / "prediction.png")
    await page.get_by_role("tab", name="Log", exact=True).click()
    await expect(page.locator(".jp-dllab-DeploymentLog")).to_contain_text("digits")
    await page.screenshot(path=tmp_path / "log.png")
    await ada.kernel.run("!dllab undeploy digits --yes", 60)
    pods = await hub.pods(hub.place.serving, "dllab-hub/deployment=digits")
    assert all("deletionTimestamp" in one["metadata"] for one in pods)
    for person in (ada, grace):
        await person.kernel.close()
