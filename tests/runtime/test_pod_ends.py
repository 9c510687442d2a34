"""How the pods of a gang end together: real launchers in one run directory, no cluster."""

from __future__ import annotations

import time

from launched import Launch, pod

#: Saves for a second on SIGTERM, and ends.
SAVES = """
import signal, sys, time
def save(*_):
    time.sleep(1); print("saved", flush=True); sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("up", flush=True)
while True: time.sleep(0.1)
"""
#: Hears SIGTERM, and goes on, as a rank does that waits for rank 0 in vain.
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("told", flush=True))
print("up", flush=True)
while True: time.sleep(0.1)
"""
#: Ends at once when it is told, as a parameter server does.
SERVES = """
import time
print("up", flush=True)
while True: time.sleep(0.1)
"""


def test_nobody_is_waited_for_once_rank_0_has_saved(launch: Launch, tmp_path) -> None:
    """The other ranks hold the same: they are killed a second after it, not after their grace."""
    grace = {"DLLAB_GRACE": "30"}
    first = launch(pod(tmp_path, "allreduce", JOB_COMPLETION_INDEX="0", **grace), SAVES)
    other = launch(pod(tmp_path, "allreduce", JOB_COMPLETION_INDEX="1", **grace), DEAF)
    for one, name in ((first, "worker-0.0"), (other, "worker-1.0")):
        one.said("up", name)
    began = time.monotonic()
    for one in (first, other):
        one.signal()
    codes = [one.end(20) for one in (first, other)]

    assert time.monotonic() - began < 12
    assert "saved" in first.log("worker-0.0")
    assert [143, 137] == codes


def test_servers_stay_until_the_chief_has_saved(launch: Launch, tmp_path) -> None:
    """The variables of a chief lie on them: they are told to end when it has, and end at once."""
    grace = {"DLLAB_GRACE": "30"}
    chief = launch(pod(tmp_path, "ps", "chief", **grace), SAVES)
    server = launch(pod(tmp_path, "ps", "ps", **grace), SERVES)
    chief.said("up", "chief-0")
    server.said("up", "ps-0")
    began = time.monotonic()
    for one in (server, chief):
        one.signal()
    time.sleep(0.5)
    still = server.process.poll()
    codes = [one.end(20) for one in (chief, server)]

    assert still is None
    assert "saved" in chief.log("chief-0")
    assert time.monotonic() - began < 12
    assert [143, 143] == codes


def test_servers_end_when_the_chief_is_done(launch: Launch, tmp_path) -> None:
    """A chief that has succeeded needs them no more: Kubernetes ends them, and they go at once."""
    chief = launch(pod(tmp_path, "ps", "chief", DLLAB_GRACE="30"), "print('up')")
    server = launch(pod(tmp_path, "ps", "ps", DLLAB_GRACE="30"), SERVES)
    server.said("up", "ps-0")
    assert 0 == chief.end(20)
    began = time.monotonic()
    server.signal().end(20)

    assert time.monotonic() - began < 5


def test_of_other_programs_nothing_is_known(launch: Launch, tmp_path) -> None:
    """Roles of one's own may each have something to save: all have their whole grace."""
    slow = SAVES.replace("time.sleep(1)", "time.sleep(4)")
    role = "a-role-with-a-long-name"
    first, other = (
        launch(pod(tmp_path, "custom", role, JOB_COMPLETION_INDEX=n, DLLAB_GRACE="30"), code)
        for n, code in (("0", SAVES), ("1", slow))
    )
    first.said("up", f"{role}-0")
    other.said("up", f"{role}-1")
    for one in (first, other):
        one.signal()
    assert [143, 143] == [one.end(20) for one in (first, other)]
    assert "saved" in other.log(f"{role}-1")
