"""What a service finds when it comes back: deployments that were ended, or that are busy."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import socket
import threading
from pathlib import Path

import pytest
from serving_place import ServingPlace, local_serving, until

from dllab_hub.backends.local.shimdir import ShimDir
from dllab_hub.errors import Unavailable
from dllab_hub.shim.process import is_alive
from dllab_hub.specs import DeploymentState
from dllab_hub.state import StateDir


def units(state: StateDir) -> Path:
    return state.deployments / "ada" / "digits" / "units"


def shims(state: StateDir) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in units(state).glob("*/launch.json")]


def ask_directly(path: Path) -> int:
    """The status of one prediction at the balancer's own socket; 0 when it broke off."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    try:
        connection.request("POST", "/v1/models/digits:predict", b'{"instances": [[1.0, 2.0]]}')
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


async def test_a_busy_replica_is_taken_over(a_state, onnx_models):
    """A replica that is too busy for the first look keeps its place and the requests it has."""
    async with local_serving(a_state) as serving:
        now = await ServingPlace(serving, onnx_models).served(1)
    (pid,) = [one.pid for one in now.replicas]
    (path,) = a_state.sockets.glob("*/lb.sock")
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.create_task(asyncio.to_thread(ask_directly, path))
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        first = await place.get()
        await asyncio.sleep(2)  # Some more looks.
        config = (units(a_state).parent / "haproxy.cfg").read_text()
        os.kill(pid, signal.SIGCONT)
        status = await asked
        await place.ready()
        await place.clear()

    assert 200 == status
    assert "server replica-1 " in config
    assert pid == first.replicas[0].pid


async def test_a_closed_service_does_not_say_that_there_is_nothing(a_state, onnx_models):
    """Who asks while it lets go is told so: an empty list would read as if all were gone."""
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.served(1)
        await serving.close()
        for ask in (serving.list("ada"), serving.get("ada", "digits")):
            with pytest.raises(Unavailable, match="closed"):
                await ask
    async with local_serving(a_state) as serving:
        await ServingPlace(serving, onnx_models).clear()


async def test_what_was_ended_is_no_failure(a_state, onnx_models):
    """Units that ended with the hub start again, and nobody is told that something went wrong."""
    async with local_serving(a_state) as serving:
        await ServingPlace(serving, onnx_models).served(1)
    for shim in shims(a_state):
        os.kill(shim["pid"], signal.SIGTERM)

    async def ended() -> bool:
        return not any(map(is_alive, shims(a_state)))

    await until(ended)
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        seen = set()

        async def ready() -> bool:
            now = await place.get()
            seen.add(now.state)
            return now.state is DeploymentState.READY

        await until(ready)
        events = await serving.events("ada", "digits")
        await place.clear()
    said = [event.message for event in events]

    assert {DeploymentState.STARTING, DeploymentState.READY} == seen
    assert [] == [event for event in events if "Failed" in event.reason]
    assert [] == [text for text in said if "job" in text]


async def test_a_launch_that_could_not_be_noted(local, a_state, monkeypatch):
    """A unit whose start could not be written down, as on a full disk, is seen all the same."""
    before = await local.served(1)
    note = ShimDir.note

    def full(self, name, data):
        if name == "launch.json":
            raise OSError(28, "No space left on device")
        note(self, name, data)

    monkeypatch.setattr(ShimDir, "note", full)
    shim = json.loads((units(a_state) / "replica-1" / "launch.json").read_text())
    os.kill(shim["pid"], signal.SIGKILL)

    async def again():
        now = await local.get()
        (one,) = now.replicas
        return now.ready and one.pid not in (None, before.replicas[0].pid) and one

    one = await until(again)
    await asyncio.sleep(1.5)
    (after,) = (await local.get()).replicas

    assert 1 == one.restarts
    assert one == after


async def test_a_deploy_while_the_last_of_it_goes(local):
    """Who deploys while the deployment of the name is being deleted has one in the end."""
    await local.served(1)
    for _ in range(2):
        await local.serving.delete("ada", "digits")
        folder = local.serving._live["ada", "digits"].controller.folder
        going, goes_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def remove(real=folder.remove, going=going, goes_on=goes_on, loop=loop):
            loop.call_soon_threadsafe(going.set)
            assert goes_on.wait(20)
            real()

        folder.remove = remove
        await asyncio.wait_for(going.wait(), 20)
        deploying = asyncio.create_task(local.deploy())
        await asyncio.sleep(0.1)  # It waits for the look that is under way.
        goes_on.set()
        await deploying
        await local.ready()


async def test_stray_files_harm_nothing(a_state, onnx_models):
    """A file that is no deployment, or no unit, keeps the service from nothing."""
    async with local_serving(a_state) as serving:
        await ServingPlace(serving, onnx_models).served(1)
    (a_state.deployments / "notes.txt").write_text("")
    (a_state.deployments / "bob" / "net" / "units").mkdir(parents=True)
    (units(a_state) / "notes.txt").write_text("")
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        ready = (await place.ready()).ready
        await place.clear()

    assert 1 == ready
