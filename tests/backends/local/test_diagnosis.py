"""Real jobs whose rank 3 of 4 fails: each is diagnosed with the replica, the cause and the line."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from dllab_hub.specs import Cause, Code, JobState, Role

RANK = "import os, sys, time\nrank = int(os.environ['RANK'])\n"
#: The others do what ranks do that wait for one that is gone.
OTHERS = "if rank != 3:\n    time.sleep(600)\n"
FAILURES = {
    "shape": (
        "import numpy\nnumpy.zeros(3) + numpy.zeros(4)",
        Cause.SHAPE,
        "worker-3 failed at train.py line 6: operands could not be broadcast together",
    ),
    "memory": (
        "hold = []\nwhile True:\n    hold.append(bytearray(os.urandom(1 << 20) * 8))",
        Cause.OUT_OF_MEMORY,
        "more than the 256 MiB it may use",
    ),
    "allocation": (
        "import numpy\nnumpy.ones(1 << 48)",
        Cause.OUT_OF_MEMORY,
        "worker-3 did not get the memory it asked for at train.py line 6: 2.00 PiB",
    ),
    "disk": (
        "with open('/dev/full', 'wb', 0) as file:\n    file.write(b'x')",
        Cause.DISK_FULL,
        "worker-3 could not write at train.py line 6: the disk is full.",
    ),
    "killed": (
        "time.sleep(1.5)\nos.kill(os.getpid(), 9)",
        Cause.KILLED,
        "worker-3 was killed by SIGKILL",
    ),
    "module": (
        "__import__('no_such_thing')",
        Cause.MISSING_MODULE,
        "worker-3 failed at train.py line 5: there is no module no_such_thing",
    ),
    "code": (
        "print('bad \\x1b[31mconfig', flush=True)\nsys.exit(7)",
        Cause.CRASHED,
        "worker-3 ended with code 7; its last line: bad config.",
    ),
}


def wish(make_spec, source: str, **more):
    memory = more.pop("memory", None)
    return make_spec(
        code=Code(source=source, filename="train.py"),
        roles=(Role(replicas=4, memory=memory),), **more,
    )  # fmt: skip


@pytest.mark.parametrize("what", FAILURES)
async def test_rank_3_of_4_fails(local, make_spec, what):
    """The replica that failed, why, and where in its code; the others are no cause."""
    source, cause, said = FAILURES[what]
    memory = 256 << 20 if what == "memory" else None
    job = await local.backend.submit("ada", wish(make_spec, RANK + OTHERS + source, memory=memory))
    done = await local.over(job, seconds=40)
    found = done.diagnosis

    assert JobState.FAILED is done.state
    assert found
    assert (cause, "worker-3", 1) == (found.cause, found.replica, found.attempt), found
    assert said in found.message
    assert found.hint
    again = await local.backend.list("ada")
    assert found == again.jobs[0].diagnosis, "the index has it too"


async def test_rank_3_of_4_hangs(a_state, running, make_spec, until):
    """A job that falls silent is told where its replicas are, once, as an event too; the service
    that comes after this one tells the same.
    """
    source = (
        "import os, threading, time\n"
        "def all_reduce():\n    threading.Event().wait()\n"
        "print('begun', flush=True)\n"
        "if os.environ['RANK'] == '3':\n    time.sleep(600)\n"
        "all_reduce()\n"
    )

    async def told(backend, job):
        async def seen():
            now = await backend.get("ada", job.id)
            return now if now.diagnosis and now.diagnosis.replica else None

        return await until(seen, 60)

    async with running(a_state, leave=True) as backend:
        job = await backend.submit("ada", wish(make_spec, source, stall_after=10))
        silent = await told(backend, job)
        assert Cause.STALLED is silent.diagnosis.cause
        assert "worker-3 is at train.py line 6, in `time.sleep(600)`" in silent.diagnosis.message
    async with running(a_state) as backend:
        again = await told(backend, job)
        assert (
            silent.diagnosis.message.partition(":")[2] == again.diagnosis.message.partition(":")[2]
        )
        await asyncio.sleep(1)
        events = [event.reason for event in await backend.events("ada", job.id)]
        assert (1, 1) == (events.count("Stalled"), events.count("Stacks"))

        os.kill(silent.replicas[0].pid, signal.SIGKILL)

        async def over():
            now = await backend.get("ada", job.id)
            return now if now.state.is_terminal else None

        done = await until(over)
        assert (Cause.KILLED, "worker-0") == (done.diagnosis.cause, done.diagnosis.replica)


async def test_a_resumed_job_is_well_again(local, make_spec):
    """What was wrong with an attempt is not wrong with the next one."""
    source = "import os, time\nif os.path.exists('x'):\n    time.sleep(600)\nopen('x', 'w')\n"
    job = await local.backend.submit("ada", make_spec(source=source + "raise ValueError('once')"))
    done = await local.over(job)
    assert Cause.EXCEPTION is done.diagnosis.cause
    await local.backend.resume("ada", job.id)
    runs = await local.state(job, JobState.RUNNING)

    assert runs.diagnosis is None
