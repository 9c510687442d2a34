"""A server below a shim: a command that is not meant to end."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim.logs import Logs

MakeJob = Callable[..., Any]

SHOW = """
import os, time
print(sorted(name for name in os.environ if "RANK" in name or "DLLAB" in name), flush=True)
print(os.environ["HELLO"], os.getpid(), flush=True)
time.sleep(600)
"""


def until(true: Callable[[], object], what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


def lines(run: Path) -> list[str]:
    log = run / "logs" / "replica-7.log"
    return log.read_text().splitlines() if log.exists() else []


def server(job: MakeJob, source: str, **plan: Any) -> Any:
    command = [sys.executable, "-c", source]
    return job("", command=command, name="replica-7", env={"HELLO": "world"}, **plan)


def test_a_server_has_its_own_environment_and_log(
    job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called by its own name, gets no worker's variables and has one log for all attempts."""
    for name in [name for name in os.environ if "DLLAB" in name]:
        monkeypatch.delenv(name)
    made = server(job, SHOW, max_restarts=3).start()
    until(lambda: len(lines(made.run)) == 2, "the first start")
    os.kill(made.replicas[0]["pid"], signal.SIGKILL)
    until(lambda: len(lines(made.run)) == 4, "the second start")
    state = made.state
    made.signal(signal.SIGTERM)
    end = made.end()

    shown = lines(made.run)
    assert "['DLLAB_LEASE']" == shown[0] == shown[2]
    assert shown[1].startswith("world ")
    assert shown[1] != shown[3]
    assert (2, "attempt 2 of 4, because replica-7 was ended by SIGKILL.") == (
        state["attempt"],
        state["reason"],
    )
    assert ("CANCELLED", "it was told to end.") == (end["state"], end["reason"])
    assert not (made.run / "attempts").exists()


def test_a_server_that_cannot_live(job: MakeJob) -> None:
    """After its restarts the shim gives up and says why in words for a server."""
    made = server(job, "import sys; sys.exit('no model')", max_restarts=1).start()
    end = made.end()

    assert "replica-7 exited with code 1. It had been restarted once." == end["reason"]
    assert ["no model"] * 2 == lines(made.run)


def test_a_log_with_a_limit_is_begun_anew(tmp_path: Path) -> None:
    """A server that talks for ever fills two files at most."""
    logs = Logs(tmp_path, ["replica-7"], limit=1000)
    for number in range(100):
        logs.write("replica-7", b"%099d\n" % number)
    logs.close()
    again = Logs(tmp_path, ["replica-7"], limit=1000)
    again.write("replica-7", b"after\n")
    again.close()

    assert {"replica-7.log", "replica-7.log.1"} == {path.name for path in tmp_path.iterdir()}
    before = (tmp_path / "replica-7.log.1").read_bytes()
    now = (tmp_path / "replica-7.log").read_bytes()
    assert len(before) == 1000
    assert b"%099d\nafter\n" % 99 == now[-106:]
    assert 0 == again.dropped
