"""Labs and jobs of two people on a real cluster, through a real hub and a real browser.

``KUBECONFIG`` names a cluster with JobSet's controller whose one node that runs pods is this
machine, and ``DLLAB_TEST_LAB_IMAGE`` an image there that is a lab as those of ``images/`` are:
``python``, this package with its extra ``lab``, and ``jupyterhub-singleuser`` on PATH, of the hub's
main version. It needs no framework.

It does not show: the chart itself and the hub in a pod, whose place processes of this machine take;
several nodes, a network file system, network policies, homes that last, and GPUs that exist.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cluster_hub import ClusterHub, a_cluster_hub
from cluster_labs import WHY_NOT
from cluster_person import ALLREDUCE, SERVERS, Person
from playwright.async_api import Page, async_playwright, expect
from running_hub import TOKEN

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "none"),
]
CHROMIUM = "/usr/bin/chromium"
expect.set_options(timeout=60_000)  # A lab starts in about ten seconds, on two busy cores.


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClusterHub]:
    """One hub for all tests, with two labs that run."""
    async with a_cluster_hub(tmp_path_factory.mktemp("hub")) as running:
        for name in ("ada", "grace"):
            answer = running.spawn(name, {"image": "python", "gpus": 0})
            assert answer.status_code in (201, 202), answer.text
            running.wait_ready(name)
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ada(hub: ClusterHub) -> AsyncIterator[Person]:
    """Ada in her lab, with a notebook that knows the magics."""
    session = hub.session("ada")
    session.wait_for_lab(60)
    kernel = await session.kernel()
    await kernel.run("%load_ext dllab_hub", 60)
    yield Person(session, kernel)
    await kernel.close()


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


def ended(job: dict[str, Any]) -> bool:
    return job["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"}


def running(job: dict[str, Any]) -> bool:
    return bool(job["state"] == "RUNNING")


async def log_in(page: Page, hub: ClusterHub, person: str) -> None:
    """As a person types it."""
    await page.goto(hub.facts["address"])
    await page.get_by_label(re.compile("user", re.I)).fill(person)
    await page.get_by_label(re.compile("password", re.I)).fill(hub.facts["password"])
    await page.get_by_role("button", name="Sign in").click()


async def test_from_the_form_to_a_lab(hub: ClusterHub, page: Page) -> None:
    """A person picks with the form, reads what happens, and is in a lab that is a pod."""
    await log_in(page, hub, "mary")
    await expect(page.get_by_role("heading", name="Start a lab")).to_be_visible()
    await page.get_by_role("spinbutton").fill("9")
    # Without a single GPU on the cluster it says so in other words.
    await expect(page.locator("#dllab-forecast")).to_contain_text(re.compile("never|GPU"))
    await page.get_by_role("spinbutton").fill("0")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("heading", name="Your lab is ready")).to_be_visible()
    (pod,) = await hub.pods(hub.labs, "hub.jupyter.org/username=mary")
    await page.get_by_role("link", name="JupyterLab").click()
    await page.get_by_role("tab", name="DL Lab").wait_for()
    hub.end("mary")

    (lab,) = pod["spec"]["containers"]
    assert 1000 == lab["securityContext"]["runAsUser"]
    assert not pod["spec"]["automountServiceAccountToken"]


async def test_a_lost_pod(hub: ClusterHub, ada: Person, page: Page) -> None:
    """Four workers of a cell meet; when a pod goes all are relaunched and go on from what is saved.

    Meanwhile its person sees each of them, and has its event files in the TensorBoard of the lab.
    """
    id = await ada.train("--workers 4 --name digits", ALLREDUCE)
    await ada.said(id, "attempt 1 sum 6 saved False", 4, 1)
    await ada.until(id, lambda job: running(job) and job["checkpoint"])
    await log_in(page, hub, "ada")
    await page.goto(f"{hub.facts['address']}/user/ada/lab")
    await page.get_by_role("tab", name="DL Lab").click()
    await (
        page.get_by_role("button", name=f"TensorBoard of {id}")
        .and_(page.locator(":not([aria-disabled=true])"))
        .first.wait_for()
    )
    await expect(page.get_by_text("Models", exact=True)).to_have_count(0)
    await (
        page.get_by_role("button", name=f"Logs of {id}")
        .or_(page.get_by_role("button", name="Logs"))
        .first.click()
    )
    await expect(page.get_by_text("[worker-3] attempt 1 sum 6 saved False")).to_be_visible()
    await page.get_by_role("tab", name="Replicas").click()
    for number in range(4):
        await expect(page.get_by_role("rowheader", name=f"worker-{number}")).to_be_visible()

    victim = (await hub.pods(hub.place.name, f"dllab-hub/job={id}"))[2]
    await hub.delete_pod(hub.place.name, victim["metadata"]["name"])
    await ada.said(id, "attempt 2 sum 6 saved True", 4, 2)
    done = await ada.until(id, ended)
    events = ada.session.get(f"dllab/api/jobs/{id}/events")["events"]
    files = list((hub.disk / "tensorboard" / "ada" / id).iterdir())

    assert ("SUCCEEDED", 2) == (done["state"], done["attempt"])
    (again,) = [event["message"] for event in events if event["reason"] == "Relaunched"]
    assert "from the checkpoint of step" in again
    assert 2 == len(files)


async def test_the_chief_ends_the_servers(hub: ClusterHub, ada: Person) -> None:
    """A training with parameter servers is over with its chief."""
    id = await ada.train("--strategy ps --ps 1 --workers 2 --name servers", SERVERS)
    done = await ada.until(id, ended)

    assert "SUCCEEDED" == done["state"]
    assert "[chief-0] chief 0 parameters" in ada.session.get(f"dllab/api/jobs/{id}/logs")["text"]


async def test_a_pause_and_a_resume(hub: ClusterHub, ada: Person) -> None:
    """A paused job has no pods, and goes on from where it was."""
    id = await ada.train("--workers 2 --name pausing", ALLREDUCE)
    await ada.said(id, "attempt 1 sum 1 saved False", 2, 1)
    await ada.until(id, lambda job: running(job) and job["checkpoint"])
    await ada.kernel.run(f"%pause {id}", 60)
    paused = await ada.until(id, lambda job: bool(job["state"] == "PAUSED"))
    pods = await hub.pods(hub.place.name, f"dllab-hub/job={id}")
    await ada.kernel.run(f"%resume {id}", 60)
    await ada.said(id, "attempt 2 sum 1 saved True", 2, 2)
    done = await ada.until(id, ended)

    assert "paused by ada" in paused["reason"]
    assert [] == pods
    assert "SUCCEEDED" == done["state"]


async def test_nobody_elses_jobs(hub: ClusterHub, ada: Person) -> None:
    """Ada's job does not exist for Grace; who is no person of the hub sees none at all."""
    id = await ada.train("--name secret-plan", "print('hello')")
    grace = hub.session("grace")
    grace.wait_for_lab(60)
    headers = {"X-XSRFToken": grace.xsrf(grace.lab)}
    path = f"{grace.lab}dllab/api/jobs/{id}"
    asked = [("GET", ""), ("GET", "/logs"), ("GET", "/events"), ("POST", "/cancel")]
    answers = [grace.http.request(verb, path + end, headers=headers) for verb, end in asked]
    service = f"{hub.facts['address']}/services/dllab/dllab/api/jobs"
    strangers = [
        httpx.get(service, headers=header, trust_env=False).status_code
        for header in ({}, {"Authorization": "token wrong"}, {"Authorization": f"token {TOKEN}"})
    ]
    own = {"Authorization": f"token {grace.token()}"}

    assert [404] * 4 == [answer.status_code for answer in answers]
    assert [] == grace.get("dllab/api/jobs")["jobs"]
    assert [403] * 3 == strangers
    assert 404 == httpx.get(f"{service}/{id}", headers=own, trust_env=False).status_code
    assert 403 == grace.http.get("/user/ada/dllab/api/jobs").status_code


async def test_the_hub_goes_and_comes(hub: ClusterHub, ada: Person) -> None:
    """While hub and lab service are dead a notebook computes, and a job is relaunched and ends."""
    id = await ada.train("--workers 2 --name alone", ALLREDUCE)
    await ada.until(id, lambda job: running(job) and job["checkpoint"])
    hub.kill()
    victim = (await hub.pods(hub.place.name, f"dllab-hub/job={id}"))[1]
    await hub.delete_pod(hub.place.name, victim["metadata"]["name"])
    said = await ada.kernel.run("print(6 * 7)", 30)
    give_up = time.monotonic() + 120
    while not (pods := await hub.pods(hub.place.name, f"dllab-hub/job={id}")) or any(
        pod["status"]["phase"] != "Succeeded" for pod in pods
    ):
        assert time.monotonic() < give_up, [pod["status"] for pod in pods]
        await asyncio.sleep(0.5)
    hub.start()
    done = await ada.until(id, ended)
    log = await ada.said(id, "attempt 2 sum 1 saved True", 2, 2)
    events = [event["reason"] for event in ada.session.get(f"dllab/api/jobs/{id}/events")["events"]]

    assert "42" in said
    assert ("SUCCEEDED", 2) == (done["state"], done["attempt"])
    assert "attempt 2" in log
    assert ["Submitted", "Started"] == events[:2]
    assert "Succeeded" == events[-1]
    assert (hub.server("ada") or {})["ready"]


async def test_labs_that_cannot_start(hub: ClusterHub, page: Page) -> None:
    """An image that is not there, and GPUs that there are not: the page says it in a sentence."""
    await log_in(page, hub, "linus")
    await page.get_by_role("heading", name="Start a lab").wait_for()
    for options, why in (
        ({"image": "missing", "gpus": 0}, r"^The image (cannot be downloaded|is not there)"),
        ({"image": "python", "gpus": 8}, r"^No machine of the cluster has 8 such GPUs"),
    ):
        assert 202 == hub.spawn("linus", options).status_code
        await page.goto(f"{hub.facts['address']}/hub/spawn-pending/linus")
        await expect(page.locator("#progress-message")).to_contain_text(re.compile(why))
        hub.end("linus")
