"""A lab's server below a real shim."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dllab_hub
from dllab_hub.leases import LeaseDir
from dllab_hub.shim.process import identity, strays, sweep
from dllab_hub.shim.record import read_exit

PACKAGE = str(Path(dllab_hub.__file__).parents[1])
ID = f"lab-{os.getpid()}"
StartLab = Callable[..., "subprocess.Popen[str]"]

# A server that has a "kernel" in a session of its own, and takes a while to end.
SERVER = r"""
import os, signal, subprocess, sys, time
kernel = subprocess.Popen(["sleep", "80"], start_new_session=True)
def end(*_):
    os.write(1, b"shutting down\n")  # print() may be what was interrupted.
    sys.exit(CODE)
signal.signal(signal.SIGTERM, end)
print(kernel.pid, os.environ["DLLAB_LEASE"], os.environ["HELLO"], flush=True)
while True:
    time.sleep(1)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartLab]:
    """Starts labs; what is left of them after the test is killed."""
    shims = []

    def start(argv: list[str], fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        words = [word for fd in fds for word in ("--lock-fd", str(fd))]
        command = [sys.executable, "-P", "-m", "dllab_hub.shim", "lab", str(tmp_path)]
        shim = subprocess.Popen(
            [*command, "--id", ID, *words, "--", *argv],
            env={**os.environ, "PYTHONPATH": PACKAGE, "HELLO": "world"},
            pass_fds=fds,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        shims.append(shim)
        return shim

    yield start
    for shim in shims:
        shim.kill()
        shim.communicate()
    sweep(ID)


def server(code: int) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(SERVER).replace("CODE", str(code))]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lab_is_stopped(start: StartLab, tmp_path: Path, number: int) -> None:
    """SIGINT or SIGTERM ends the server, and its kernels by force; its code is passed on."""
    leases = LeaseDir(tmp_path / "leases")
    with leases.take(["GPU-a"], 1, {"kind": "lab"}) as lease:
        shim = start(server(3), lease.fds)
    assert shim.stdout is not None
    kernel, mark, hello = shim.stdout.readline().split()
    assert leases.held(["GPU-a"])["GPU-a"] is not None
    shim.send_signal(number)

    assert 3 == shim.wait(10)
    assert "shutting down\n" == shim.stdout.read()
    assert (ID, "world") == (mark, hello)
    assert identity(int(kernel)) is None
    end = read_exit(tmp_path / "exit.rec")
    assert end is not None
    assert ("CANCELLED", "the lab was stopped.") == (end["state"], end["reason"])
    assert leases.held(["GPU-a"])["GPU-a"] is None


@pytest.mark.parametrize(
    ("script", "code", "state", "reason"),
    [
        ("pass", 0, "SUCCEEDED", ""),
        ("import sys; sys.exit(4)", 4, "FAILED", "the lab's server exited with code 4."),
        (
            "import os; os.kill(os.getpid(), 11)",
            139,
            "FAILED",
            "the lab's server was ended by SIGSEGV.",
        ),
    ],
)
def test_a_lab_that_ends_by_itself(
    start: StartLab, tmp_path: Path, script: str, code: int, state: str, reason: str
) -> None:
    """The shim exits as its server did, and records it."""
    shim = start([sys.executable, "-c", script])

    assert code == shim.wait(10)
    end = read_exit(tmp_path / "exit.rec")
    assert end is not None
    assert (state, reason) == (end["state"], end["reason"])


def test_a_lab_that_cannot_start(start: StartLab, tmp_path: Path) -> None:
    """A missing program is a sentence in the record, and 127."""
    assert 127 == start(["/nowhere/jupyterhub-singleuser"]).wait(10)
    end = read_exit(tmp_path / "exit.rec")
    assert end is not None
    assert "No such file or directory: /nowhere/jupyterhub-singleuser" in end["reason"]


def test_kill_9_of_a_labs_shim_takes_the_server_along(start: StartLab) -> None:
    """The server dies with its shim; what it had started is found by its mark."""
    shim = start(server(0))
    assert shim.stdout is not None
    kernel = int(shim.stdout.readline().split()[0])
    shim.kill()
    shim.wait()
    deadline = time.monotonic() + 2
    while strays(ID) != [kernel] and time.monotonic() < deadline:
        time.sleep(0.01)

    assert [kernel] == strays(ID)
    assert [] == sweep(ID)
    assert identity(kernel) is None
