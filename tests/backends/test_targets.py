"""Several places: this machine and two scripted clusters, and who runs what where."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_api import FakeApi

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.backends.kubernetes.kinds import JOBSETS, NODES
from dllab_hub.backends.local import LocalBackend
from dllab_hub.backends.local.kept import KeptBackend
from dllab_hub.errors import AccessDenied, Conflict, DLLabError, InvalidRequest, Unavailable
from dllab_hub.manifests.gang import set_name
from dllab_hub.specs import Code, JobLimits, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

SPACE = "dllab-jobs"
IMAGES = """
[[images]]
name = "torch"
title = "PyTorch"
framework = "pytorch"
version = "2.13"
container = "registry.example.org/lab/torch:2.13"

[[volumes]]
name = "disk"
title = "A directory"
path = "/srv/disk"

[[volumes]]
name = "nas"
title = "A claim"
claim = "nas"
"""
USER = os.geteuid() or 1000


@dataclass
class Places:
    """Two clusters, and the state of the lab service between them.

    Attributes:
        farm: API server of the one.
        moon: Of the other.
        state: Of the lab service.
    """

    farm: FakeApi
    moon: FakeApi
    state: StateDir

    def write(self, *names: str, more: str = "") -> None:
        """Name the clusters in the settings."""
        text = IMAGES + more
        for name in names:
            path = self.state.root / f"secret-{name}.yaml"
            getattr(self, name).kubeconfig(path)
            text += (
                f'\n[[targets]]\nname = "{name}"\ntitle = "The {name}"\nkubeconfig = "{path}"\n'
                f'claim = "{name}-jobs"\nuser = {USER}\n'
            )
        (self.state.root / "catalog.toml").write_text(text)

    @asynccontextmanager
    async def service(self, *, leave: bool = False) -> AsyncIterator[LocalBackend]:
        """A lab service on one machine; it lets go at the end, and ends what runs here."""
        backend = LocalBackend(self.state, here=True, gpus=lambda: (), cpus=64, grace=1.0)
        await backend.start()
        try:
            yield backend
        finally:
            for job in () if leave else backend.machine.queue.all():
                await backend.cancel(job.owner, job.id)
            while not leave and backend.machine.queue.busy:
                await asyncio.sleep(0.05)
            await backend.close()

    def jobsets(self) -> tuple[set[str], set[str]]:
        """Names of those on each of the clusters."""
        farm, moon = (
            {name for plural, _, name in fake.objects if plural == JOBSETS.plural}
            for fake in (self.farm, self.moon)
        )
        return farm, moon


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[Places]:
    """Two clusters, each with one node, that the settings name."""
    root = tmp_path / "state"
    root.mkdir()
    async with FakeApi() as farm, FakeApi() as moon:
        for fake, gpus in ((farm, "8"), (moon, "2")):
            there = {"cpu": "64", "memory": "256Gi", "nvidia.com/gpu": gpus, "pods": "110"}
            ready = [{"type": "Ready", "status": "True"}]
            fake.put(NODES, {
                "metadata": {"name": "node-0"},
                "status": {"allocatable": there, "conditions": ready},
            })  # fmt: skip
        made = Places(farm, moon, StateDir(root, root / "envs", tmp_path / "shared"))
        made.write("farm", "moon")
        yield made


def wish(target: str | None = None, **more: Any) -> TrainingSpec:
    image = "here" if target in (None, "machine") else "torch"
    source = more.pop("source", "print('hello')")
    fields = {"name": "digits", "image": image, "roles": (Role(gpus=more.pop("gpus", 0)),)}
    return TrainingSpec(code=Code(source=source), target=target, **{**fields, **more})


async def until(
    backend: KeptBackend, job: TrainingJob, is_so: Callable[[TrainingJob], bool]
) -> TrainingJob:
    give_up = time.monotonic() + 20
    while not is_so(now := await backend.get(job.owner, job.id)):
        assert time.monotonic() < give_up, now
        await asyncio.sleep(0.05)
    return now


async def ready(backend: KeptBackend, *names: str) -> None:
    for name in names:
        await backend._places[name].found(20)


async def test_jobs_go_where_they_are_sent(places):
    """Each place gets the jobs that name it, and the machine those that name none."""
    async with places.service() as backend:
        await ready(backend, "farm", "moon")
        usual = await backend.submit("ada", wish())
        named = await backend.submit("ada", wish("machine"))
        farm = await backend.submit("ada", wish("farm"))
        moon = await backend.submit("ada", wish("moon"))
        done = [await until(backend, job, lambda now: now.state.is_terminal)
                for job in (usual, named)]  # fmt: skip
        made = places.jobsets()
        page = await backend.list("ada")
        await backend.cancel("ada", farm.id)
        ended = await until(backend, farm, lambda now: now.state.is_terminal)

    assert [JobState.SUCCEEDED] * 2 == [job.state for job in done]
    assert ({set_name(farm.id)}, {set_name(moon.id)}) == made
    assert {usual.id, named.id, farm.id, moon.id} == {job.id for job in page.jobs}
    assert JobState.CANCELLED is ended.state


async def test_a_cluster_mounts_its_own_claim(places):
    """The settings of a place are those by which its JobSets are made."""
    async with places.service() as backend:
        await ready(backend, "moon")
        job = await backend.submit("ada", wish("moon"))
        made = places.moon.get(JOBSETS, SPACE, set_name(job.id))

    assert "moon-jobs" in str(made)
    assert "farm-jobs" not in str(made)


async def test_who_restarts_takes_over_its_own(places):
    """After a restart each place has its jobs, none of the others', and makes nothing twice."""
    async with places.service(leave=True) as backend:
        await ready(backend, "farm", "moon")
        here = await backend.submit("ada", wish(source="import time; time.sleep(600)"))
        farm = await backend.submit("ada", wish("farm"))
        await until(backend, here, lambda now: now.state is JobState.RUNNING)
    before = places.jobsets()
    async with places.service() as backend:
        await ready(backend, "farm", "moon")
        lines = {name: [job.id for job in line.all()] for name, line in backend._places.items()}
        runs = await backend.get("ada", here.id)
        waits = await backend.get("ada", farm.id)
        after = places.jobsets()

    assert {"machine": [here.id], "farm": [farm.id], "moon": []} == lines
    assert (JobState.RUNNING, JobState.PENDING) == (runs.state, waits.state)
    assert before == after == ({set_name(farm.id)}, set())


async def test_a_cluster_that_is_away_keeps_nobody_else_from_working(places):
    """Its jobs say why they wait, a new one is refused, and the others go on; then it comes."""
    async with places.service(leave=True) as backend:
        await ready(backend, "farm", "moon")
        job = await backend.submit("ada", wish("farm"))
    async with places.farm.outage("refuse"), places.service() as backend:
        await ready(backend, "moon")
        waits = await until(backend, job, lambda now: "what was last seen" in now.reason)
        with pytest.raises(Unavailable, match="does not answer"):
            await backend.submit("ada", wish("farm"))
        with pytest.raises(Unavailable, match="does not answer"):
            await backend.capacity("ada", 1, "farm")
        here = await backend.submit("ada", wish())
        done = await until(backend, here, lambda now: now.state.is_terminal)
        moon = await backend.submit("ada", wish("moon"))

    assert JobState.PENDING is waits.state
    assert JobState.SUCCEEDED is done.state
    assert {set_name(moon.id)} == places.jobsets()[1]


async def test_a_wrong_kubeconfig_is_told_to_the_log_only(places, caplog):
    """People read that a place cannot be reached, and nothing of how it would be."""
    path = places.state.root / "secret-farm.yaml"
    path.write_text("nothing: true")
    async with places.service() as backend:
        farm = backend._places["farm"]
        while "looked for" in farm._trouble:
            await asyncio.sleep(0.05)
        with pytest.raises(Unavailable) as caught:
            await backend.submit("ada", wish("farm"))
        catalog = await backend.catalog()

    assert "does not know how to reach farm" in str(caught.value)
    assert "secret" not in f"{caught.value}{catalog.to_wire()}"
    assert "The settings of the place farm" in caplog.text


async def test_jobs_of_a_place_that_is_gone_are_lost_and_can_be_read(places):
    """Who takes a place out of the settings loses what runs there, and no file of it."""
    async with places.service(leave=True) as backend:
        await ready(backend, "farm", "moon")
        job = await backend.submit("ada", wish("farm"))
        paused = await backend.submit("ada", wish("farm"))
        await backend.pause("ada", paused.id)
        await until(backend, paused, lambda now: now.state is JobState.PAUSED)
    places.write("moon")
    async with places.service() as backend:
        lost = await backend.get("ada", job.id)
        events = await backend.events("ada", job.id)
        logs = await backend.logs("ada", job.id)
        record = await backend.history.record("ada", job.id)
        with pytest.raises(Conflict, match="farm is not in the lab's settings") as caught:
            await backend.resume("ada", job.id)
        with pytest.raises(InvalidRequest, match="no such place") as refused:
            await backend.submit("ada", wish("farm"))
        ended = await backend.cancel("ada", paused.id)
        page = await backend.list("ada")
    places.write("farm", "moon")
    async with places.service() as backend:
        await ready(backend, "farm")
        again = await backend.resume("ada", job.id)

    assert JobState.LOST is lost.state is record.job.state
    assert "farm" == record.job.spec.target
    assert "not in the lab's settings" in lost.reason
    assert "Lost" in [event.reason for event in events]
    assert logs.text == ""
    assert "machine, moon" in caught.value.hint
    assert ("target", "Choose one of: machine, moon.") == (refused.value.field, refused.value.hint)
    assert JobState.CANCELLED is ended.state
    assert {JobState.LOST, JobState.CANCELLED} == {job.state for job in page.jobs}
    assert JobState.PENDING is again.state


@pytest.mark.parametrize(
    ("target", "more", "field", "hint"),
    [
        ("mars", {}, "target", "machine, farm, moon"),
        ("farm", {"image": "here"}, "image", "There: torch."),
        ("machine", {"image": "torch"}, "image", "There: here."),
        ("farm", {"volumes": ("disk",)}, "volumes", "There: nas."),
        (None, {"volumes": ("nas",)}, "volumes", "There: disk."),
        ("moon", {"gpus": 4}, "roles.0.gpus", ""),
        ("machine", {"gpus": 1}, "roles.0.gpus", ""),
    ],
)
async def test_what_a_place_does_not_have_is_refused(places, target, more, field, hint):
    """The field is named, and what would do there; that others have it does not help."""
    async with places.service() as backend:
        await ready(backend, "farm", "moon")
        with pytest.raises(InvalidRequest) as caught:
            await backend.submit("ada", wish(target, **more))

    assert field == caught.value.field
    assert hint in caught.value.hint


async def test_limits_count_the_jobs_of_all_places(places):
    """Whoever has had enough on one place gets no more on another."""
    limits = JobLimits(jobs=1)
    async with places.service() as backend:
        await ready(backend, "farm", "moon")
        await backend.submit("ada", wish("farm"), limits)
        for target in (None, "moon"):
            with pytest.raises(AccessDenied, match="you have 1 job"):
                await backend.submit("ada", wish(target), limits)
        await backend.submit("bob", wish("moon"), limits)


async def test_each_place_has_its_own_room_and_price(places):
    """What is free, and what a wish would meet, is asked of the place that it names."""
    async with places.service() as backend:
        await ready(backend, "farm", "moon")
        seen = [await backend.capacity("ada", 4, name) for name in (None, "farm", "moon")]
        price = await backend.insight.quote("ada", wish("farm", gpus=4))
        with pytest.raises(InvalidRequest, match="no such place"):
            await backend.capacity("ada", 4, "mars")

    assert [0, 8, 2] == [one.total for one in seen]
    assert ["never", "now", "never"] == [one.forecast.answer for one in seen if one.forecast]
    assert price.gpus == 4
    assert not price.refused


async def test_the_catalog_names_places_and_not_their_ways(places):
    """Name, title and kind is all that people get."""
    async with places.service() as backend:
        catalog = await backend.catalog()

    wire = [target.to_wire() for target in catalog.targets]
    assert {"name": "farm", "title": "The farm", "kind": "cluster"} == wire[1]
    assert ["machine", "farm", "moon"] == [target["name"] for target in wire]


async def test_a_lab_service_on_a_cluster_has_others_beside_it(places):
    """Its own cluster is the usual place."""
    places.write("moon", more=f'\n[cluster]\nclaim = "own"\nuser = {USER}\n')
    disk = places.state.root / "catalog.toml"
    disk.write_text(disk.read_text().replace('path = "/srv/disk"', 'claim = "disk"'))
    own = places.farm.kubeconfig(places.state.root / "own.yaml")
    backend = KubernetesBackend(places.state, connect=lambda: Api.connect(str(own)))
    await backend.start()
    try:
        await ready(backend, "cluster", "moon")
        usual = await backend.submit("ada", wish(image="torch"))
        moon = await backend.submit("ada", wish("moon"))
        catalog = await backend.catalog()
    finally:
        await backend.close()

    assert ["cluster", "moon"] == [target.name for target in catalog.targets]
    assert ({set_name(usual.id)}, {set_name(moon.id)}) == places.jobsets()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "farm"\nclaim = "a"', "targets.farm.kubeconfig"),
        ('name = "farm"\ncontext = "a"', "targets.farm.claim"),
        ('name = "farm"\ncontext = "a"\nclaim = "a"\nqueu = "q"', "targets.farm.queu"),
        ('name = "farm"\ncontext = 3\nclaim = "a"', "targets.farm.context"),
        ('name = "machine"\ncontext = "a"\nclaim = "a"', "the usual place"),
        ('title = "Farm"\ncontext = "a"\nclaim = "a"', "targets.0.name"),
    ],
)
def test_wrong_settings_are_named(places, text, said):
    """The service does not start with a place that it cannot understand."""
    (places.state.root / "catalog.toml").write_text(f"[[targets]]\n{text}\n")

    with pytest.raises(DLLabError, match=said):
        LocalBackend(places.state, here=True, gpus=lambda: ())


def test_what_is_not_installed_is_named(places, monkeypatch):
    """Who names a cluster without the extra reads what to install."""
    monkeypatch.setattr("dllab_hub.backends.local.elsewhere.find_spec", lambda name: None)

    with pytest.raises(Unavailable) as caught:
        LocalBackend(places.state, here=True, gpus=lambda: ())

    assert "dllab-hub[kubernetes]" in caught.value.hint


def test_pods_and_accounts_do_not_mix(places):
    """In OS-user mode the service does not start with a cluster: people own what pods mount."""
    with pytest.raises(Unavailable, match="in OS-user mode"):
        LocalBackend(places.state, here=True, os_users=True, gpus=lambda: ())


async def test_a_context_is_one_of_the_default_kubeconfig(places, monkeypatch):
    """A service in a pod takes no other cluster for its own."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBECONFIG", str(places.state.root / "secret-farm.yaml"))
    toml = places.state.root / "catalog.toml"
    old = f'kubeconfig = "{places.state.root}/secret-farm.yaml"'
    toml.write_text(toml.read_text().replace(old, 'context = "fake"'))
    async with places.service() as backend:
        await ready(backend, "farm")
        job = await backend.submit("ada", wish("farm"))

    assert {set_name(job.id)} == places.jobsets()[0]
