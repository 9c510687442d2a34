"""The disk that holds the lab's state is full, or becomes read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from fault_machine import Machine, small_disk, until

from dllab_hub.errors import DLLabError, StorageFull, Unavailable
from dllab_hub.specs import JobState


def fill(path: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"x")


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """A directory as it is when the kernel makes its file system read-only after an error."""
    if os.geteuid() != 0:
        mode = path.stat().st_mode
        path.chmod(0o500)
        yield
        path.chmod(mode)
        return
    bind = ["mount", "--bind", str(path), str(path)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_full_disk(machine: Machine) -> None:
    """On 512 KiB without room a submit is refused as 507 and leaves nothing, a job that runs ends
    with its code recorded; with room again all goes on without anybody's help."""
    with small_disk(machine.state.root, "512k"):
        machine.start()
        job = machine.started(machine.submit())
        filler = machine.state.root / "filler"
        fill(filler)
        with pytest.raises(StorageFull) as refused:
            machine.submit()
        machine.go(job, 7)
        done = machine.ended(job)
        filler.unlink()
        next_one = machine.submit()
        machine.go(machine.started(next_one))
        healed = machine.ended(next_one)
        kept = machine.client.list().jobs
        machine.kill()
        machine.start()
        again = machine.client.get(job.id)

    assert 507 == refused.value.status
    assert JobState.FAILED is done.state is again.state
    assert "exited with code 7" in done.reason
    assert done.reason == again.reason
    assert JobState.SUCCEEDED is healed.state, healed.reason
    assert {job.id, next_one.id} == {one.id for one in kept}


def test_a_read_only_disk(machine: Machine) -> None:
    """A submit is refused in plain words, a job that runs goes on, and both heal."""
    machine.start()
    job = machine.started(machine.submit())
    with read_only(machine.state.root):
        with pytest.raises(DLLabError) as refused:
            machine.submit()
        seen = machine.client.get(job.id)
    machine.go(job)
    done = machine.ended(job)
    next_one = machine.submit()
    machine.go(machine.started(next_one))

    assert refused.value.status in (503, 507), refused.value
    assert "Errno" not in str(refused.value)
    assert JobState.RUNNING is seen.state
    assert JobState.SUCCEEDED is done.state, done.reason
    assert JobState.SUCCEEDED is machine.ended(next_one).state


def refusal(machine: Machine) -> str | None:
    """Why the service cannot work; empty while it does not answer, None when it works."""
    try:
        machine.client.list()
    except Unavailable as exc:
        return "" if "nothing answers" in exc.message else exc.message
    return None


def test_a_service_on_a_read_only_disk(machine: Machine) -> None:
    """A service that finds its directory read-only says so, and works once that is over."""
    machine.start()
    job = machine.started(machine.submit())
    machine.kill()
    with read_only(machine.state.root):
        machine.begin()

        message = until(lambda: refusal(machine), "a refusal")
    until(lambda: refusal(machine) is None, "the service working")
    machine.go(job)

    assert "can only be read" in message
    assert JobState.SUCCEEDED is machine.ended(job).state
