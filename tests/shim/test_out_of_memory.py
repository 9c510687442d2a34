"""A replica that the kernel kills because memory runs out, in a control group that is too small."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from memory_group import memory_group

MakeJob = Callable[..., Any]
MIB = 2**20
HUNGRY = """
    import os, time
    print("up", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    if os.environ["RANK"] == "1":
        held = [bytearray(8 << 20) for _ in range(64)]
    time.sleep(60)
    """


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A control group of 256 MiB; whose processes are gone at the end."""
    with memory_group(256 * MIB) as path:
        yield path


def test_who_memory_ran_out_for_is_told(job: MakeJob, small_memory: Path) -> None:
    """The kernel's own count says why it was killed, and how much there was."""
    made = job(HUNGRY, replicas=2).start()
    made.wait_for("up\n"), made.wait_for("up\n", "worker-1")
    for pid in (made.shim.pid, *(one["pid"] for one in made.replicas)):
        (small_memory / "cgroup.procs").write_text(str(pid))
    (made.run / "workspace" / "go").touch()
    end = made.end()

    assert "FAILED" == end["state"]
    killed = made.replicas[1]
    assert ("SIGKILL", True, None) == (killed["signal"], killed["oom"], made.replicas[0]["oom"])
    assert 150 * MIB < killed["peak_memory"] < 300 * MIB
    assert end["reason"].startswith(
        "worker-1 was killed by SIGKILL, likely out of memory: peak 0.2"
    )
    assert end["reason"].endswith(" of 0.25 GiB.")


def test_who_somebody_killed_is_not_told_so(job: MakeJob) -> None:
    """kill -9 by a person is no lack of memory."""
    made = job(HUNGRY).start()
    made.wait_for("up\n")
    os.kill(made.replicas[0]["pid"], 9)
    end = made.end()

    assert "worker-0 was ended by SIGKILL." == end["reason"]
    assert False is made.replicas[0]["oom"]
