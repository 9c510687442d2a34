"""Looking into real processes of a job."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from dllab_hub.backends.local import stacks as stacks_module
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.stacks import stacks_of
from dllab_hub.errors import Unavailable

SOURCE = "import time\n\ndef deep(n):\n    return deep(n - 1) if n else time.sleep(60)\n\ndeep(3)\n"
ME = Account(None, os.geteuid(), os.getegid(), "/")


@pytest.fixture
async def job(local, make_spec, until):
    """A job of two replicas that sleep."""
    job = await local.backend.submit("ada", make_spec(source=SOURCE + "#", replicas=2))

    async def asleep():
        found = await local.backend.insight.stacks("ada", job.id)
        return len(found) == 2 and all(s.frames and s.frames[0].function == "deep" for s in found)

    await until(asleep, 30)
    return await local.backend.get("ada", job.id)


async def test_where_they_are(local, job):
    """Innermost first, with files of the workspace by their names in it."""
    first, second = await local.backend.insight.stacks("ada", job.id)

    assert ("worker-0", "worker-1") == (first.replica, second.replica)
    assert [("deep", 4)] * 4 + [("<module>", 6)] == [(f.function, f.line) for f in first.frames]
    assert not first.frames[0].file.startswith("/")
    assert ("", False) == (first.error, first.waits)


async def test_one_that_is_stopped(local, job, until):
    """It is said to be stopped, at once; the others are looked into."""
    os.kill(job.replicas[0].pid, signal.SIGSTOP)

    async def stopped():
        return (await local.backend.get("ada", job.id)).replicas[0].stopped

    await until(stopped)
    first, second = await local.backend.insight.stacks("ada", job.id)
    os.kill(job.replicas[0].pid, signal.SIGCONT)
    assert "the process is stopped by a signal." == first.error
    assert second.frames


async def test_one_that_is_gone(local, job):
    """A number that is nobody's, or somebody else's, is not looked into."""
    gone = job.replicas[0].model_copy(update={"pid": 2**22 + 1})
    init = job.replicas[1].model_copy(update={"pid": 1})
    seen = job.model_copy(update={"replicas": (gone, init)})
    account = Account("ada", 4242, 4242, "/")

    assert ["the process has ended."] * 2 == [one.error for one in stacks_of(seen, account)]


async def test_over_and_nothing_to_see(local, job):
    """A job that has ended has no stacks."""
    await local.backend.cancel("ada", job.id)
    await local.over(job)

    assert () == await local.backend.insight.stacks("ada", job.id)


async def test_a_program_that_fails(job, monkeypatch, tmp_path):
    """What keeps it from looking is said in a sentence; without it, it is unavailable."""
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\necho 'Error: Permission Denied: Try sudo' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert "lets no process look into another" in stacks_of(job, ME)[0].error
    program.write_text("#!/bin/sh\necho '{not json'\n")
    assert "it has no Python stack." == stacks_of(job, ME)[0].error
    program.write_text("#!/bin/sh\nsleep 60\n")
    monkeypatch.setattr(stacks_module, "_PATIENCE", 0.5)
    assert "did not answer" in stacks_of(job, ME)[0].error
    program.unlink()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="py-spy"):
        stacks_of(job, ME)


async def test_many_that_do_not_answer(local, job, monkeypatch, tmp_path):
    """All take one time together, who was not reached is named, and no search waits for them."""
    program = tmp_path / "py-spy"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(stacks_module, "_PATIENCE", 2.0)
    monkeypatch.setattr(stacks_module, "_IN_ALL", 3.5, raising=False)
    many = job.model_copy(update={"replicas": job.replicas * 12})
    began = time.monotonic()
    errors = [one.error for one in stacks_of(many, ME)]

    assert time.monotonic() - began < 8
    assert ["it did not answer in 2 s."] * 4 == errors[:4]
    assert ["there was no time for it: the others took 4 s."] * 16 == errors[8:]
    looks = [asyncio.create_task(local.backend.insight.stacks("ada", job.id)) for _ in range(6)]
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await local.backend.insight.search("ada", job.id, "x")
    assert time.monotonic() - began < 1
    await asyncio.gather(*looks)


def test_who_waits():
    """A collective operation of torch or TensorFlow near the inner end, and only there."""
    torch = {"filename": "/e/torch/distributed/distributed_c10d.py", "name": "all_reduce"}
    wrapper = {"filename": "/e/torch/distributed/c10d_logger.py", "name": "wrapper"}
    own = {"filename": "/w/train.py", "name": "all_reduce"}
    backward = {"filename": "/e/torch/autograd/graph.py", "name": "_engine_run_backward"}

    assert stacks_module._waits([wrapper, torch, own])
    assert stacks_module._waits([backward, own])
    assert not stacks_module._waits([own])
    assert not stacks_module._waits([own, backward])
    assert not stacks_module._waits([own] * 20 + [torch])


@pytest.mark.skipif(os.geteuid() != 0, reason="running something as another account needs root")
async def test_as_the_account_of_the_job(job):
    """In OS-user mode it is looked into as that account, which may not look into others."""
    nobody = Account("nobody", 65534, 65534, "/")
    code = "import time\ndef deep():\n    time.sleep(60)\ndeep()"
    process = None
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError):
            process = subprocess.Popen([python, "-c", code], user=65534, group=65534, cwd="/")
            break
    if process is None:
        pytest.skip("no Python is for other accounts")
    try:
        replica = job.replicas[0].model_copy(update={"pid": process.pid})
        seen = job.model_copy(update={"replicas": (replica,)})
        give_up = time.monotonic() + 10
        # An interpreter that starts has frames of its own.
        while (stack := stacks_of(seen, nobody)[0]) and time.monotonic() < give_up:
            if "cannot be started" in stack.error or "deep" in str(stack.frames):
                break
            time.sleep(0.1)
        if "py-spy cannot be started" in stack.error:
            pytest.skip("this py-spy is not for other accounts")
        assert ["deep", "<module>"] == [frame.function for frame in stack.frames]
        assert process.poll() is None
        assert "has ended" in stacks_of(job, nobody)[0].error
    finally:
        process.kill()
        process.wait()
