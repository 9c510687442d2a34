"""Labs that wait, for GPUs or for an environment: told why, served in order, stopped cleanly."""

from __future__ import annotations

import fcntl
import html
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from running_hub import TOKEN, RunningHub, hub_with_stubs, until

from dllab_hub import images
from dllab_hub.hub.lab import Lab
from dllab_hub.images.progress import Progress, beside
from dllab_hub.leases import Lease, LeaseDir

GPUS = 4
UUIDS = [f"GPU-00000000-0000-0000-0000-{n:012d}" for n in range(GPUS)]
SETTINGS = """
c.LabCatalog.gpu_types = [
    {"name": "fake", "title": "Fake", "match": "fake"},
    {"name": "h100", "title": "H100", "match": "H100"},
]
c.LabCatalog.limits = {"max_gpus_per_user": 3}
c.Spawner.pre_spawn_hook = lambda lab: lab.log.info(
    "%s may start for %s s", lab.user.name, lab.start_timeout
)
c.LabCatalog.bring = {"environments": ["~"]}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    top = tmp_path_factory.mktemp("waiting")
    with hub_with_stubs(top, GPUS, SETTINGS, PIP_NO_INDEX="1") as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_is_left(hub: RunningHub) -> Iterator[None]:
    """A test that fails must not make the next one fail."""
    yield
    for user in hub.api("GET", "/users?include_stopped_servers=0").json():
        for server in user["servers"]:
            hub.end(user["name"], server)


@pytest.fixture
def taken(hub: RunningHub) -> Iterator[Lease]:
    """All GPUs but one, held by a job of somebody else."""
    holder = {"kind": "job", "owner": "grace", "name": "secret", "id": "secret-1"}
    lease = LeaseDir(hub.state.leases).take(UUIDS, GPUS - 1, holder)
    yield lease
    with suppress(OSError):  # The test has given it back.
        lease.release()


@contextmanager
def building(env: Path, percent: int) -> Iterator[None]:
    """As a builder does it: its lock, and how far it is."""
    with beside(env, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Progress(env, lambda step: None)("downloading", percent)
        yield


class Page:
    """The page that waits: reads the events of a start until it ends."""

    def __init__(self, hub: RunningHub, user: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._url = f"{hub.facts['address']}/hub/api/users/{user}/server/progress"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        headers = {"Authorization": f"token {TOKEN}"}
        with httpx.Client(trust_env=False, timeout=120, headers=headers) as http:
            while not self.events:  # 400 while the hub has not begun yet.
                with http.stream("GET", self._url) as answer:
                    for line in answer.iter_lines():
                        if line.startswith("data:"):
                            self.events.append(json.loads(line[5:]))
                time.sleep(0.1)

    def said(self, text: str, seconds: float = 20) -> dict[str, Any]:
        """The first event with this text."""
        found = until(lambda: [e for e in self.events if text in e.get("message", "")], seconds)
        assert found, self.events
        return dict(found[0])

    def end(self) -> dict[str, Any]:
        self._thread.join(60)
        return self.events[-1]


def pending(hub: RunningHub, user: str) -> str | None:
    model = hub.server(user)
    return model["pending"] if model else None


def start_waiting(hub: RunningHub, user: str, **options: Any) -> Page:
    """Ask for more than is free; the answer comes after the hub's usual ten seconds."""
    hub.add(user)
    threading.Thread(
        target=hub.spawn, args=(user, {"image": "pytorch", "wait": 5, **options}), daemon=True
    ).start()
    assert until(lambda: pending(hub, user) == "spawn", 10)
    return Page(hub, user)


def test_a_lab_waits_and_starts(hub: RunningHub, taken: Lease) -> None:
    """The page says who holds what, offers less, and goes on when a GPU is given back."""
    page = start_waiting(hub, "ada", gpus=2)
    event = page.said("Has to wait")
    message = event["message"]
    links = dict(re.findall(r'data-dllab="(\w+)" href="([^"]*)"', event["html_message"]))
    taken.release()
    last = page.end()
    model = hub.wait_ready("ada")
    held = LeaseDir(hub.state.leases).held(UUIDS)
    hub.end("ada")

    assert "You asked for 2 GPUs. Has to wait: 1 of 4 is free; held by 1 other person" in message
    assert "secret" not in json.dumps(page.events)
    assert re.search(r"Waits until \d\d:\d\d\.", message)
    assert {"smaller", "cpu", "wait", "cancel"} == set(links)
    assert "opt-gpus=1" in html.unescape(links["smaller"])
    assert "/hub/spawn/ada?" in links["smaller"]
    assert last["ready"]
    assert model["ready"]
    assert ["ada", "ada"] == [about["owner"] for about in held.values() if about]


def test_a_stopped_wait_leaves_nothing(hub: RunningHub, taken: Lease) -> None:
    """JupyterHub's own stop ends the waiting at once; the GPU that comes later is nobody's."""
    page = start_waiting(hub, "bob", gpus=2)
    page.said("Has to wait")
    answer = hub.api("DELETE", "/users/bob/server")
    gone = until(lambda: hub.server("bob") is None, 10)
    taken.release()
    time.sleep(1.5)

    assert 204 == answer.status_code
    assert gone
    assert {None} == set(LeaseDir(hub.state.leases).held(UUIDS).values())
    assert hub.spawn("bob", {"image": "pytorch", "gpus": 1}).status_code in (201, 202)
    hub.wait_ready("bob")
    hub.end("bob")


def test_without_a_wait_it_is_refused_at_once(hub: RunningHub, taken: Lease) -> None:
    """409 in REST, with a sentence and the field."""
    answer = hub.spawn("eve", {"image": "pytorch", "gpus": 2})

    assert 409 == answer.status_code
    said = answer.json()["message"]
    assert said.startswith("gpus: You asked for 2 GPUs. Has to wait: 1 of 4 is free;"), said


def test_what_can_never_start_does_not_wait(hub: RunningHub) -> None:
    """A type that this machine has not, and more than one person may have."""
    other = hub.spawn("eve", {"image": "pytorch", "gpus": 1, "gpu_type": "h100", "wait": 60})
    many = hub.spawn("eve", {"image": "pytorch", "gpus": 4, "wait": 60})

    assert (409, 400) == (other.status_code, many.status_code)
    assert "this machine has no H100" in other.json()["message"]
    assert "your labs may hold 3 GPUs at most" in many.json()["message"]


def test_the_limit_counts_all_labs_of_a_person(hub: RunningHub) -> None:
    """Two labs of one person share the limit; somebody else's do not count."""
    first = hub.spawn("ada", {"image": "pytorch", "gpus": 2})
    second = hub.spawn("ada", {"image": "pytorch", "gpus": 2}, server="more")
    fits = hub.spawn("ada", {"image": "pytorch", "gpus": 1}, server="more")
    other = hub.spawn("bob", {"image": "pytorch", "gpus": 1})
    for user, server in (("ada", ""), ("ada", "more"), ("bob", "")):
        hub.end(user, server)

    assert 409 == second.status_code
    assert "your other labs hold 2 of the 3" in second.json()["message"]
    assert {201} == {first.status_code, fits.status_code, other.status_code}


def test_the_time_for_a_start_is_its_own(hub: RunningHub) -> None:
    """A lab that may wait long does not give its patience to the next start."""
    for options in ({"gpus": 1, "wait": 700}, {"gpus": 0}, {"requirements": []}, {"wait": 9}):
        assert 201 == hub.spawn("tim", {"image": "pytorch", **options}).status_code
        hub.end("tim")
    said = (hub.home / "hub" / "hub.log").read_text()

    assert ["42120", "120", "120", "120"] == re.findall(r"tim may start for (\d+) s", said)


def test_an_image_that_is_built_is_waited_for(hub: RunningHub) -> None:
    """The page shows how far the build is; a build that ends without success ends the wait."""
    env = images.named(hub.state, "jax").path
    env.unlink(missing_ok=True)  # A link of this test's own.
    with building(env, 45):
        page = start_waiting(hub, "jo", image="jax")
        said = page.said("is being built: ")["message"]
    last = page.end()

    assert "45" in said
    assert "The lab starts when it is done." in said
    assert last["failed"]
    assert "is not built" in last["message"]
    assert "dllab env build jax" in last["message"]


def test_packages_are_there_before_the_lab(hub: RunningHub) -> None:
    """A list that holds is remembered; one that cannot be had is refused with pip's reason."""
    mark = hub.state.labs / "pat" / "packages"
    wrong = hub.spawn("pat", {"image": "pytorch", "requirements": ["nonsense-of-mine"]})
    answers, noted = [], []
    for _ in range(2):
        wish = {"image": "pytorch", "requirements": ["ipykernel"]}
        answers.append(hub.spawn("pat", wish).status_code)
        hub.wait_ready("pat")
        noted.append(mark.stat().st_mtime_ns)
        hub.end("pat")

    assert 400 == wrong.status_code
    assert "requirements: the packages cannot be installed: " in wrong.json()["message"]
    assert "nonsense-of-mine" in wrong.json()["message"]
    assert {201, 202} >= set(answers)
    assert noted[0] == noted[1]


def test_an_own_environment_is_looked_at(hub: RunningHub, tmp_path: Path) -> None:
    """Where it lies and what it has is checked before anything starts."""
    outside = hub.spawn("own", {"image": "custom", "custom": str(tmp_path)})
    wrong = hub.spawn("own", {"image": "custom", "custom": "../x"})

    assert (400, 400) == (outside.status_code, wrong.status_code)
    assert "custom: the environment must lie below ~" in outside.json()["message"]
    assert hub.server("own") is None


def test_a_server_that_is_killed_is_told(hub: RunningHub) -> None:
    """Where the exit record says SIGKILL the sentence is about memory."""
    lab = Lab(hub.state, "killed", "killed", "", False)
    hub.spawn("killed", {"image": "pytorch"})
    hub.wait_ready("killed")
    [server] = [
        pid
        for pid in hub.of_lab("killed")
        if b"stub_lab" in Path(f"/proc/{pid}/cmdline").read_bytes()
        and b"dllab_hub.shim" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(server, signal.SIGKILL)
    record = until(lab.exit_record, 10)

    assert "was ended by SIGKILL" in record["reason"]
    assert until(lambda: hub.server("killed") is None, 60)
