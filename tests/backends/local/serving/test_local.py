"""Deployments on this machine, with real model servers behind a real HAProxy."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from serving_place import ROWS, ServingPlace, local_serving, until

from dllab_hub.backends.calls import MAX_CALL_BYTES, Call
from dllab_hub.backends.local import LocalBackend
from dllab_hub.errors import InvalidRequest, NotFound, TooLarge
from dllab_hub.shim.process import strays
from dllab_hub.specs import DeploymentState
from dllab_hub.state import StateDir


def units(state, name: str = "digits", owner: str = "ada") -> Path:
    return state.deployments / owner / name / "units"


def marked(state) -> list[int]:
    """Processes of all units of the deployment, by their mark."""
    id = json.loads((units(state).parent / "deployment.json").read_text())["id"]
    return [pid for unit in units(state).iterdir() for pid in strays(f"{id}-{unit.name}")]


async def test_a_model_is_published_deployed_and_asked(local):
    """A published model answers through the balancer, with its version; nothing else is needed."""
    version = await local.publish()
    started = await local.deploy(replicas=2)
    ready = await local.ready()
    reply = await local.ask()

    assert (1, "digits") == (version.version, version.model)
    assert ("FP64", (None, 2)) == (version.inputs[0].datatype, version.inputs[0].shape)
    assert DeploymentState.STARTING is started.state
    assert 2 == ready.ready
    assert ["replica-1", "replica-2"] == [one.name for one in ready.replicas]
    assert {"predictions": ROWS} == json.loads(reply.body)
    assert (200, "1") == (reply.status, reply.headers["x-model-version"])


async def test_nothing_listens_on_a_port(local, a_state):
    """Replicas and balancer have unix sockets only."""
    await local.served(2)
    found = {
        connection.laddr
        for pid in marked(a_state)
        for connection in psutil.Process(pid).net_connections("inet")
    }

    assert set() == found


async def test_the_next_service_takes_over(a_state, onnx_models):
    """Deployments run on when the service ends; the next one has them, with the same processes."""
    async with local_serving(a_state) as serving:
        before = await ServingPlace(serving, onnx_models).served(2)
    alive = [psutil.pid_exists(one.pid) for one in before.replicas]
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        after = await place.ready()
        reply = await place.ask()
        await place.clear()

    assert [True, True] == alive
    assert [one.pid for one in before.replicas] == [one.pid for one in after.replicas]
    assert [0, 0] == [one.restarts for one in after.replicas]
    assert 200 == reply.status


#: A service that deploys and is killed at some point of it.
SERVICE = textwrap.dedent("""
    import asyncio, os, signal, sys
    from pathlib import Path
    from serving_place import ServingPlace, local_serving
    from dllab_hub.backends.local import shimdir, shims
    from dllab_hub.state import StateDir

    def die(*args):
        os.kill(os.getpid(), signal.SIGKILL)

    root, files, when = sys.argv[1:]

    async def main():
        state = StateDir(Path(root), Path(root) / "envs")
        async with local_serving(state) as serving:
            place = ServingPlace(serving, Path(files))
            await place.publish()
            if when == "before the first shim":
                shims.Shims._spawn = die
            elif when == "after the first shim":
                shims.Shims._launch = lambda *args, real=shims.Shims._launch: (real(*args), die())
            await place.deploy(2)
            if when == "while it runs":
                await place.ready()
            print("deployed", flush=True)
            await asyncio.sleep(60)

    asyncio.run(main())
""")


@pytest.mark.parametrize(
    "when", ["while it runs", "while it starts", "before the first shim", "after the first shim"]
)
async def test_a_killed_service(a_state, onnx_models, when):
    """Whenever the service is killed, the next one has the deployment whole, and nothing twice."""
    support = Path(__file__).parents[3] / "support"
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, a_state.root, onnx_models, when],
        env={**os.environ, "PYTHONPATH": str(support)},
        stdout=subprocess.PIPE,
    ) as service:
        if when.startswith("while"):
            assert b"deployed\n" == await asyncio.to_thread(service.stdout.readline)
            service.send_signal(signal.SIGKILL)
        assert -signal.SIGKILL == await asyncio.to_thread(service.wait, 20)
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        now = await place.ready()
        reply = await place.ask()
        names = {path.name for path in units(a_state).iterdir()}
        processes = marked(a_state)
        await place.clear()

    assert 200 == reply.status
    assert (2, 2) == (now.ready, len(now.replicas))
    assert {"balancer", *(one.name for one in now.replicas)} == names
    assert 3 == len(processes)  # The children: a shim has no mark.


async def test_a_delete_leaves_nothing(local, a_state):
    """The last request is answered; then there is no process, no socket and no file of it."""
    await local.publish("slow", "rounds")
    await local.deploy(2, name="digits", model="slow")
    await local.ready()
    rounds = 1000
    while True:  # About a second, whatever this machine can do.
        start = asyncio.get_running_loop().time()
        await local.ask([rounds])
        if asyncio.get_running_loop().time() - start > 0.7:
            break
        rounds *= 2
    pids = marked(a_state)
    sockets = a_state.sockets
    asked = asyncio.create_task(local.ask([rounds]))

    async def waits():
        traffic = (await local.get()).traffic
        return traffic is not None and traffic.waiting

    await until(waits)
    await local.serving.delete("ada", "digits")
    state = (await local.get()).state
    reply = await asked
    await local.gone()

    assert DeploymentState.DELETING is state
    assert 200 == reply.status
    assert len(pids) == 3
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
    assert not sockets.exists()
    assert [] == list((a_state.deployments / "ada").iterdir())
    with pytest.raises(NotFound):
        await local.ask()


@pytest.mark.parametrize("file", ["text", "cut", "empty", "sequence", "noinputs", "outside"])
async def test_a_file_that_cannot_be_served(local, a_state, file):
    """What is no model that can be served is refused with a sentence, and nothing is kept."""
    with pytest.raises(InvalidRequest) as caught:
        await local.publish(file=file)

    assert "model" == caught.value.field
    assert caught.value.message.endswith(".")
    assert [] == [path for path in a_state.models.rglob("*") if path.is_file()]


async def test_what_a_caller_may_not_ask(local):
    """Paths that lead elsewhere are not there, and the service's secrets go no further."""
    await local.served()
    for path in ("../x", "v1/../v2", "v2/repository/index", "a\r\nb", "ä"):
        try:
            reply = await local.serving.call("ada", "digits", Call("GET", path))
        except NotFound:
            continue
        assert 404 == reply.status, path
    with pytest.raises(NotFound):
        await local.serving.call("grace", "digits", Call("GET", "v2/models/digits"))
    huge = Call("POST", "v1/models/digits:predict", b"x" * (MAX_CALL_BYTES + 1))
    with pytest.raises(TooLarge):
        await local.serving.call("ada", "digits", huge)
    secret = {"Authorization": "token x", "Cookie": "a=b", "bad\r\nname": "x"}
    reply = await local.serving.call("ada", "digits", Call("GET", "v2/models/digits", b"", secret))

    assert 200 == reply.status


async def test_a_backend_serves(a_state, onnx_models):
    """A backend brings its serving up and lets go of it, with the image that is built."""
    envs = Path(os.environ["DLLAB_TEST_SERVER"]).parents[2]
    state = StateDir(a_state.root, envs)
    backend = LocalBackend(state, here=True, gpus=lambda: ())
    await backend.start()
    before = await ServingPlace(backend.serving, onnx_models).served()
    await backend.close()
    backend = LocalBackend(state, here=True, gpus=lambda: ())
    await backend.start()
    place = ServingPlace(backend.serving, onnx_models)
    after = await place.ready()
    await place.clear()
    await backend.close()

    assert before.replicas[0].pid == after.replicas[0].pid
