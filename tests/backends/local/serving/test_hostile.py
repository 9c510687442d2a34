"""Deployments whose owner, or whose model, means harm; and processes that hang."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from serving_place import Load, ServingPlace, local_serving, until

from dllab_hub.backends.local.serving import front, replica
from dllab_hub.backends.local.serving.sockets import answers
from dllab_hub.errors import StorageFull, Unavailable
from dllab_hub.specs import DeploymentSpec, DeploymentState


def units(state, name: str = "digits", owner: str = "ada") -> Path:
    return state.deployments / owner / name / "units"


def child(state, unit: str) -> psutil.Process:
    pid = json.loads((units(state) / unit / "launch.json").read_text())["pid"]
    (process,) = psutil.Process(pid).children()
    return process


async def test_files_that_lie(a_state, onnx_models):
    """Whatever stands in a person's run directory, the deployment answers, is taken over and
    deleted, and nothing but its own processes is ended."""
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)
        await place.served(2)
        run = units(a_state) / "replica-1" / "run"
        (run / "state.json").write_text(
            json.dumps({"state": "RUNNING", "attempt": 10**5, "replicas": [{"pid": 1}]})
        )
        (run / "exit.rec").write_text('{"state": "FAILED", "reason": "x", "attempt": 1}')
        (run / "shim.json").write_text(json.dumps({"pid": os.getpid()}))
        log = run / "logs" / "replica-1.log"
        log.unlink()
        log.symlink_to("/etc/passwd")
        (run / "plan.json").unlink()
        (run / "plan.json").symlink_to("/etc/passwd")
        os.mkfifo(run / "events.jsonl.new")
        os.rename(run / "events.jsonl.new", run / "events.jsonl")
        lied = units(a_state) / "replica-2" / "run" / "state.json"
        lied.write_text("[" * 100_000)
        text = (await serving.logs("ada", "digits", replica="replica-1")).text
        await place.get()
        await place.serving.list("ada")
    async with local_serving(a_state) as serving:
        place = ServingPlace(serving, onnx_models)

        async def answers_again():
            now = await place.get()
            return now.ready >= 1 and now

        await until(answers_again)
        reply = await place.ask()
        await place.clear()

    assert "" == text
    assert 200 == reply.status
    assert [] == list((a_state.deployments / "ada").iterdir())


async def test_somebody_elses_socket(tmp_path):
    """Nothing is said to a process of another user, wherever a link leads."""
    heard = asyncio.Event()

    async def serve(reader, writer):
        if await reader.read(1):
            heard.set()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    (tmp_path / "link").symlink_to(tmp_path / "s")
    theirs = await asyncio.to_thread(answers, tmp_path / "link", "/", os.geteuid() + 1)
    said = heard.is_set()
    ours = await asyncio.to_thread(answers, tmp_path / "link", "/", os.geteuid())
    server.close()
    await server.wait_closed()

    assert (False, False, True) == (theirs, said, ours)


async def test_a_balancer_that_hangs_harms_its_owner_only(local, a_state, monkeypatch):
    """One person's stopped balancer is ended and started again; others are answered meanwhile."""
    monkeypatch.setattr(front, "_SILENCE", 3.0)
    await local.served(1)
    other = ServingPlace(local.serving, local._files, "grace")
    await other.served(1)
    stopped = child(a_state, "balancer")
    stopped.send_signal(signal.SIGSTOP)
    slowest = 0.0
    give_up = time.monotonic() + 60
    while stopped.status() == psutil.STATUS_STOPPED and time.monotonic() < give_up:
        start = time.monotonic()
        assert 200 == (await other.ask()).status
        await other.get()
        slowest = max(slowest, time.monotonic() - start)
        await local.get()
    now = await local.ready()
    reply = await local.ask()
    events = [event.reason for event in await local.serving.events("ada", "digits")]
    await other.clear()

    assert slowest < 1
    assert 1 == now.ready
    assert 200 == reply.status
    assert "BalancerFailed" in events


@pytest.mark.long
async def test_a_replica_that_hangs(local, a_state, monkeypatch):
    """A replica that does not answer is not asked, then ended and started again."""
    monkeypatch.setattr(replica, "_SILENCE", 1.0)
    monkeypatch.setattr(replica, "_STOPPED", 1e9)  # As if only its computing hung.
    before = await local.served(2)
    async with Load(local) as load:
        os.kill(before.replicas[0].pid, signal.SIGSTOP)

        async def replaced():
            now = await local.get()
            pid = now.replicas[0].pid
            return now.state is DeploymentState.READY and pid != before.replicas[0].pid and now

        now = await until(replaced, 120)
        await load.more()

    assert 1 == now.replicas[0].restarts
    said = [event.message for event in await local.serving.events("ada", "digits")]
    assert any("did not answer for" in text for text in said)


async def test_a_replica_that_ends_by_itself(local):
    """SIGTERM from outside is an end like any other: it is started again."""
    before = await local.served(1)
    os.kill(before.replicas[0].pid, signal.SIGTERM)

    async def back():
        now = await local.get()
        return now.ready == 1 and now.replicas[0].pid != before.replicas[0].pid and now

    now = await until(back)

    assert 1 == now.replicas[0].restarts


async def test_a_part_that_is_missing(a_state, onnx_models):
    """Without an image that serves, publishing and deploying say what to build."""

    def none(*_):
        raise Unavailable(
            "no image that serves onnx is built.", hint="Run: dllab env build serving"
        )

    async with local_serving(a_state) as serving:
        await ServingPlace(serving, onnx_models).publish()
    async with local_serving(a_state, interpreter=none) as serving:
        place = ServingPlace(serving, onnx_models)
        with pytest.raises(Unavailable, match="dllab env build serving"):
            await place.publish()
        with pytest.raises(Unavailable, match="dllab env build serving"):
            await place.deploy()
        page = await serving.list("ada")

    assert () == page.deployments


async def test_deployments_at_once(local):
    """Wishes for one name that come together make one deployment, one of them and no mixture."""
    await local.publish()
    wishes = [DeploymentSpec(name="digits", model="digits", replicas=n) for n in (1, 2, 3, 2)]
    await asyncio.gather(*(local.serving.deploy("ada", wish) for wish in wishes))
    now = await local.ready()

    assert now.spec in wishes
    assert now.spec.replicas == now.ready
    assert ["digits"] == [one.name for one in (await local.serving.list("ada")).deployments]


def _files(root):
    """What is there; a look while something is renamed can miss what has nothing to do with it."""
    while (files := sorted(root.rglob("*"))) != sorted(root.rglob("*")):
        pass
    return files


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
async def test_a_full_disk(a_state, onnx_models):
    """On a full disk nothing is published or deployed, what runs answers on, and can be deleted."""
    a_state.root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", a_state.root]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        async with local_serving(a_state) as serving:
            place = ServingPlace(serving, onnx_models)
            await place.served(1)
            before = _files(a_state.root)
            filler = a_state.root / "filler"
            with suppress(OSError), filler.open("wb", 0) as file:
                while True:
                    file.write(b"x" * 4096)
            with pytest.raises(StorageFull):
                await place.publish()
            with pytest.raises(StorageFull):
                await place.deploy(name="other")
            with pytest.raises(StorageFull):
                await serving.scale("ada", "digits", 2)
            reply = await place.ask()
            now = await place.get()
            filler.unlink()
            after = _files(a_state.root)
            await place.clear()

        assert before == after
        assert 200 == reply.status
        assert (DeploymentState.READY, 1) == (now.state, now.spec.replicas)
    finally:
        subprocess.run(["umount", "-l", a_state.root], check=True)
