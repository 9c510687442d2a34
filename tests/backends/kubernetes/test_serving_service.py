"""What the lab service does with deployments on a real cluster: takes over, scales, keeps apart.

The node is this machine (see `real_cluster`): it says nothing of several nodes or of GPUs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import psutil
import pytest
from real_cluster import KUBECONFIG
from serving_place import ROWS, Load, until
from serving_story import MARKS, PATIENCE, Told, a_story

from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import Autoscale, DeploymentState

pytestmark = MARKS
#: A lab service's backend, which is killed: says when it has found the cluster.
SERVICE = """
import asyncio, sys
from pathlib import Path
from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.backend import KubernetesBackend
from dllab_hub.state import StateDir

async def main(root, disk, config):
    state = StateDir(Path(root), Path(root) / "envs", Path(disk))
    backend = KubernetesBackend(state, connect=lambda: Api.connect(config))
    await backend.start()
    await backend.cluster.found(30)
    print(await backend.serving.found(30), flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def told(tmp_path: Path, onnx_models: Path) -> AsyncIterator[Told]:
    async with a_story(tmp_path, onnx_models) as made:
        yield made


async def made(told: Told) -> dict[str, list[tuple[str, str]]]:
    """What is there of deployments, with what tells one from another of its name."""
    core, name = told.namespace.core, told.namespace.name
    services = await core.list_namespaced_service(name)
    works = await told.apps.list_namespaced_deployment(name)
    sets = await told.apps.list_namespaced_replica_set(name)
    pods = await core.list_namespaced_pod(name)
    kinds = {"Service": services, "Deployment": works, "ReplicaSet": sets, "Pod": pods}
    return {
        kind: sorted((one.metadata.name, one.metadata.uid) for one in found.items)
        for kind, found in kinds.items()
    }


async def ask_pod(pod: Any) -> int:
    """Ask a replica past the service, as the cluster's side of it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{pod.status.pod_ip}:8080/v1/models/digits:predict"
        return (await client.post(url, json={"instances": ROWS}, timeout=20)).status_code


async def test_a_service_that_is_killed(told):
    """Replicas answer without it; the next one answers at once, and makes nothing twice."""
    async with told.service() as place:
        await place.served(2)
    before = await made(told)
    words = [told.state.root, told.namespace.disk, KUBECONFIG]
    process = psutil.Popen([sys.executable, "-c", SERVICE, *map(str, words)], stdout=PIPE)
    try:
        assert b"True\n" == await asyncio.to_thread(process.stdout.readline)
    finally:
        process.kill()
        await asyncio.to_thread(process.communicate)
    answers = [await ask_pod(pod) for pod in await told.pods() for _ in range(5)]
    async with told.service() as place:
        first = await place.ask()
        async with Load(place) as load:
            await load.more(200)
        now = await place.ready()
        after = await made(told)
        events = [event.reason for event in await place.serving.events("ada", "digits")]

    assert [200] * 10 == answers
    assert (200, {}) == (first.status, load.wrong)
    assert before == after
    assert 2 == now.ready
    assert (1, 2) == (events.count("Deployed"), events.count("ReplicaStarted"))


async def test_what_became_different_meanwhile(told):
    """What somebody removes or changes while no service is there, or while one is, comes back."""
    async with told.service() as place:
        await place.served(2)
    name = (await made(told))["Deployment"][0][0]
    await told.apps.delete_namespaced_deployment(name, told.namespace.name)

    async def gone() -> bool:
        return not await told.pods()

    await until(gone, PATIENCE)
    async with told.service() as place:
        back = await place.ready()
        answer = await place.ask()
        await told.apps.delete_namespaced_deployment(name, told.namespace.name)
        await until(lambda: _others(told, {one.name for one in back.replicas}), PATIENCE)
        await place.ready()
        again = await place.ask()
        patch = {"spec": {"replicas": 1}}
        await told.apps.patch_namespaced_deployment(name, told.namespace.name, patch)

        async def as_wished() -> bool:
            one = await told.apps.read_namespaced_deployment(name, told.namespace.name)
            now = await place.get()
            return (one.spec.replicas, now.state) == (2, DeploymentState.READY)

        await until(as_wished, PATIENCE)

    assert [200, 200] == [answer.status, again.status]


async def _others(told: Told, before: set[str]) -> bool:
    names = {f"replica-{pod.metadata.name[-5:]}" for pod in await told.pods()}
    return len(names) == 2 and not names & before


async def test_it_starts_when_somebody_asks(told):
    """From none at the first request, up under load, to none when nobody asks any more."""
    async with told.service() as place:
        await place.publish()
        await place.publish()
        limits = Autoscale(min=0, max=3, target=1, idle=10)
        await place.deploy(version=1, autoscale=limits)
        await place.state(DeploymentState.IDLE)
        nobody = await told.pods()
        first, second = await asyncio.gather(place.ask(), place.ask())
        await place.canary(percent=50)
        await place.beside(2)
        async with Load(place, callers=6) as load:

            async def three() -> bool:
                now = await place.get()
                return now.wished == 3 and now.ready == 4

            await until(three, PATIENCE)
            await load.more()
        with_canary = await place.get()
        await place.serving.rollback("ada", "digits")
        await place.state(DeploymentState.IDLE)
        again = await place.ask()

    assert [] == nobody
    assert [200, 200, 200] == [first.status, second.status, again.status]
    assert {} == load.wrong
    assert {(200, "1"), (200, "2")} == load.answers.keys()
    assert 1 == [one.version for one in with_canary.replicas].count(2)


async def test_nobody_elses_models(told):
    """Equal names do not meet, and nobody sees or reaches what is another person's."""
    async with told.service() as place:
        bob = told.place(place, "bob")
        await place.served()
        for verb in (
            bob.get(), bob.ask(), bob.serving.versions("bob", "digits"),
            bob.serving.logs("bob", "digits"), bob.serving.events("bob", "digits"),
            bob.serving.delete("bob", "digits"),
        ):  # fmt: skip
            with pytest.raises(NotFound):
                await verb
        await bob.publish()
        await bob.publish()
        await bob.deploy()
        await bob.ready()
        mine, his = await place.ask(), await bob.ask()
        hers = {one.name for one in (await place.get()).replicas}
        theirs = {one.name for one in (await bob.get()).replicas}
        await bob.clear()
        after = await place.ask()

    assert ("1", "2") == (mine.headers["x-model-version"], his.headers["x-model-version"])
    assert (1, 1) == (len(hers), len(theirs))
    assert not hers & theirs
    assert 200 == after.status


async def test_a_pod_that_is_none_of_ours(told):
    """One with a deployment's labels, which somebody else has made, is not shown or asked."""
    async with told.service() as place:
        await place.served()
        (real,) = await told.pods()
        core, name = told.namespace.core, told.namespace.name
        labels = dict(real.metadata.labels)
        labels.pop("pod-template-hash")
        api = told.namespace.core.api_client
        spec = api.sanitize_for_serialization(real.spec)
        spec.pop("nodeName", None)
        pod = {"metadata": {"name": "forged-aaaaa", "labels": labels}, "spec": spec}
        await core.create_namespaced_pod(name, pod)

        async def answers() -> bool:
            one = await core.read_namespaced_pod("forged-aaaaa", name)
            return any(c.type == "Ready" and c.status == "True" for c in one.status.conditions)

        await until(answers, PATIENCE)
        asked = {(await place.ask()).status for _ in range(40)}
        now = await place.get()
        log = await core.read_namespaced_pod_log("forged-aaaaa", name)
        with pytest.raises(NotFound):
            await place.serving.logs("ada", "digits", replica="replica-aaaaa")

    assert {200} == asked
    assert (1, [f"replica-{real.metadata.name[-5:]}"]) == (
        now.ready, [one.name for one in now.replicas],
    )  # fmt: skip
    assert "POST" not in log


async def test_what_a_publication_leaves(told):
    """Nothing but the version: no pod and no draft, whatever becomes of it."""
    async with told.service() as place:
        await place.publish()
        with pytest.raises(InvalidRequest) as caught:
            await place.publish(file="text")
        task = asyncio.create_task(place.publish())

        async def looking() -> bool:
            return bool((await made(told))["Pod"])

        await until(looking, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        async def clean() -> bool:
            return not (await made(told))["Pod"]

        await until(clean, PATIENCE)
        versions = await place.serving.versions("ada", "digits")
        next_one = await place.publish()
        await until(clean, PATIENCE)

    models = told.state.models
    left = sorted(str(path.relative_to(models)) for path in models.glob("*/*"))
    print("refused:", caught.value.message)
    assert "model" == caught.value.field
    assert ([1], 2) == ([one.version for one in versions], next_one.version)
    assert ["ada/digits"] == left
