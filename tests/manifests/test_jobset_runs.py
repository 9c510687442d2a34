"""JobSets of ours on a real cluster with JobSet's controller and one node that runs pods.

``KUBECONFIG`` names the cluster; ``DLLAB_TEST_IMAGE`` an image there with Python and this package;
``DLLAB_TEST_HOST`` the address by which pods reach this machine, which plays the lab service and
the node's disk. They say nothing of several nodes or of GPUs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from real_cluster import HOST, IMAGE, KUBECONFIG, Place, a_place, a_service

from dllab_hub.specs import Code, JobState, Role, TrainingSpec

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (KUBECONFIG and IMAGE and HOST),
        reason="KUBECONFIG, DLLAB_TEST_IMAGE and DLLAB_TEST_HOST name no cluster",
    ),
]
#: Rank 0 adds up what the others say, and tells them; rank 0 of the first attempt saves.
ALLREDUCE = """
import os, pathlib, socket, time
saved = pathlib.Path(os.environ["DLLAB_CHECKPOINT_DIR"]) / "step"
step = int(saved.read_text()) if saved.exists() else 0
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if rank == 0:
    with socket.create_server(("", where[1])) as server:
        others = [server.accept()[0] for _ in range(world - 1)]
        total = sum(int(other.recv(10)) for other in others)
        for other in others:
            other.sendall(str(total).encode())
else:
    for _ in range(300):
        try:
            with socket.create_connection(where, timeout=30) as other:
                other.sendall(str(rank).encode())
                total = int(other.recv(10))
            break
        except OSError:
            time.sleep(0.2)
print("attempt", os.environ["DLLAB_ATTEMPT"], "sum", total, "from step", step, flush=True)
if step == 0:
    if rank == 0:
        saved.write_text("30")
    time.sleep(600)
"""
#: The chief asks a parameter server by its address, and ends; the servers never would.
PARAMETER_SERVER = """
import json, os, socket, time
about = json.loads(os.environ["TF_CONFIG"])
role, index = about["task"]["type"], about["task"]["index"]
host, port = about["cluster"]["ps"][0].split(":")
if role == "ps":
    with socket.create_server(("", int(port))) as server:
        while True:
            server.accept()[0].sendall(b"parameters")
for _ in range(200):
    try:
        with socket.create_connection((host, int(port)), timeout=2) as asked:
            print(role, index, asked.recv(100).decode(), flush=True)
            break
    except OSError:
        time.sleep(0.2)
else:
    raise SystemExit("no parameter server")
if role == "worker":
    time.sleep(600)
"""


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    with a_service() as service:
        async with a_place(service, tmp_path) as made:
            yield made


def complete(status: dict[str, Any]) -> bool:
    return bool(status.get("terminalState") == "Completed")


async def test_a_lost_pod_is_a_new_attempt_of_all(place: Place) -> None:
    """Four ranks meet by their names; when a pod goes all are relaunched, and resume."""
    spec = TrainingSpec(
        name="digits",
        image="torch",
        code=Code(source=ALLREDUCE),
        roles=(Role(replicas=4, cpus=0.1),),
    )
    id = await place.submit(spec)
    await place.said(id, "attempt 1 sum 6 from step 0", 4)
    assert JobState.RUNNING is (await place.seen(id, spec)).state
    await asyncio.sleep(1)  # Rank 0 saves after it has said so.
    victim = (await place.pods(id))[2]
    await place.core.delete_namespaced_pod(victim.metadata.name, place.name)

    await place.said(id, "attempt 2 sum 6 from step 30", 4)
    status = await place.until(id, complete)
    assert 1 == status["restarts"]
    found = await place.seen(id, spec)
    assert (JobState.SUCCEEDED, 2, 4) == (found.state, found.attempt, len(found.replicas))
    assert {0} == {replica.exit_code for replica in found.replicas}


async def test_the_chief_ends_the_servers(place: Place) -> None:
    """When the chief has succeeded the JobSet is complete and nothing of it runs."""
    spec = TrainingSpec(
        name="servers",
        image="torch",
        code=Code(source=PARAMETER_SERVER),
        strategy="ps",
        roles=tuple(
            Role(name=name, replicas=n, cpus=0.1)
            for name, n in (("chief", 1), ("ps", 1), ("worker", 2))
        ),
    )
    id = await place.submit(spec)
    await place.until(id, complete)
    assert JobState.SUCCEEDED is (await place.seen(id, spec)).state

    give_up = time.monotonic() + 60
    while any(pod.status.phase == "Running" for pod in await place.pods(id)):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.3)


async def test_a_suspended_set_has_no_pods_and_goes_on(place: Place) -> None:
    """To pause is to suspend: its pods are gone, and after that it starts with the checkpoint."""
    spec = TrainingSpec(
        name="paused",
        image="torch",
        code=Code(source=ALLREDUCE),
        roles=(Role(replicas=2, cpus=0.1),),
    )
    id = await place.submit(spec)
    await place.said(id, "attempt 1 sum 1 from step 0", 2)
    await asyncio.sleep(1)

    await place.suspend(id, True)
    give_up = time.monotonic() + 90
    while await place.pods(id):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.3)
    assert JobState.PENDING is (await place.seen(id, spec)).state  # Nobody has marked it paused.
    await place.suspend(id, False)
    await place.said(id, "from step 30", 2)
    await place.until(id, complete)


async def test_a_wrong_token_opens_nothing(place: Place) -> None:
    """The pod ends before the code starts, and says why."""
    spec = TrainingSpec(
        name="shut",
        image="torch",
        code=Code(source="print('ran')"),
        strategy="single",
        max_restarts=0,
    )
    await place.create("shut-b2c3d4f", spec, "stolen")
    await place.until("shut-b2c3d4f", lambda status: status.get("terminalState") == "Failed")

    found = await place.seen("shut-b2c3d4f", spec)
    assert JobState.FAILED is found.state
    assert (
        "worker-0: the job's files did not come: the lab service answers 403 Forbidden."
        == found.reason
    )
