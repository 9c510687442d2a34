"""Ports of a gang: free, nobody else's, and no disaster when they are taken after all."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import dllab_hub
from dllab_hub.shim import ports
from dllab_hub.shim.ports import Ports

PACKAGE = str(Path(dllab_hub.__file__).parents[1])
MakeJob = Callable[..., Any]

# Takes a port on all addresses as a rank 0 does, or says why not.
BIND = """
import os, socket, sys
port = int(os.environ["MASTER_PORT"])
print(port, flush=True)
with socket.socket() as listener:
    listener.bind(("", port))
    listener.listen()
"""


def test_two_gangs_never_have_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process holds is not chosen, though nobody listens there; until it lets go."""
    choice = range(21_000, 21_040)
    script = (
        "from dllab_hub.shim import ports; import sys\n"
        f"ports._choice = lambda: {choice!r}\n"
        "print(*(held := ports.Ports()).take(15), flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": PACKAGE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    theirs = {int(word) for word in other.stdout.readline().split()}
    monkeypatch.setattr(ports, "_choice", lambda: choice)
    own = Ports()
    first = own.take(15)
    other.communicate()
    later = own.take(8)
    own.release()

    assert 15 == len(theirs)
    assert set() == theirs & set(first)
    assert theirs & set(later)
    assert 23 == len({*first, *later})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_where_somebody_listens_is_not_free(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Whatever address it is."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as listener:
        try:
            listener.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        listener.listen()
        port = listener.getsockname()[1]
        monkeypatch.setattr(ports, "_choice", lambda: range(port, port + 1))
        with pytest.raises(OSError, match="no port"):
            Ports().take(1)


def test_ports_lie_outside_the_kernels_own_range() -> None:
    """A connection that somebody makes can never get a port that was chosen for a gang."""
    low, high = (int(word) for word in Path(ports._RANGE).read_text().split())
    if high - low > 60_000:
        pytest.skip("the kernel's range leaves nothing")
    held = Ports()
    taken = held.take(50)
    held.release()

    assert [] == [port for port in taken if low <= port <= high]
    assert 50 == len(set(taken))


def test_a_taken_port_costs_no_restart(job: MakeJob) -> None:
    """An attempt that failed because of its port is followed by one with another."""
    source = f"""
        import os
        if os.environ["DLLAB_ATTEMPT"] != "3" and os.environ["RANK"] == "1":
            import socket
            thief = socket.socket()
            thief.bind(("", int(os.environ["MASTER_PORT"])))
            thief.listen()
            open("stolen-" + os.environ["DLLAB_ATTEMPT"], "w").close()
            import time
            time.sleep(60)
        if os.environ["RANK"] == "0":
            import time
            while not os.path.exists("stolen-" + os.environ["DLLAB_ATTEMPT"]):
                if os.environ["DLLAB_ATTEMPT"] == "3":
                    break
                time.sleep(0.01)
            exec({BIND!r})
        """
    made = job(source, replicas=2, max_restarts=0).start()
    end = made.end()

    assert ("SUCCEEDED", 3) == (end["state"], end["attempt"])
    assert 3 == len({made.log(attempt=attempt).split()[0] for attempt in (1, 2, 3)})
    assert 2 == made.events.count("PortTaken")


def test_ports_are_not_tried_for_ever(job: MakeJob) -> None:
    """Code that always takes a port which is in use fails after five more attempts."""
    source = "import sys; sys.exit('OSError: [Errno 98] Address already in use')"
    made = job(source, max_restarts=1).start()
    end = made.end()

    assert ("FAILED", 7) == (end["state"], end["attempt"])
    assert "exited with code 1" in end["reason"]


def test_a_port_of_its_own(job: MakeJob) -> None:
    """A single training was given no port, so one that it wants and does not get is its own."""
    source = "import sys; sys.exit('OSError: [Errno 98] Address already in use')"
    made = job(source, strategy="single", max_restarts=1).start()

    assert ("FAILED", 2) == (made.end()["state"], made.state["attempt"])
    assert "PortTaken" not in made.events


def test_another_failure_is_counted(job: MakeJob) -> None:
    """Words about an address do not help a replica that a kill has ended."""
    source = "import os; print('Address already in use', flush=True); os.kill(os.getpid(), 9)"
    end = job(source, max_restarts=1).start().end()

    assert ("FAILED", 2) == (end["state"], end["attempt"])
