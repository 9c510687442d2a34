"""A job below a real shim, and a disk that is too small."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import dllab_hub
from dllab_hub.shim.process import strays, sweep
from dllab_hub.shim.record import read_exit, read_json

PACKAGE = Path(dllab_hub.__file__).parents[1]
#: A role of a plan, where a test does not say otherwise.
ROLE = {
    "replicas": 1,
    "gpus": 0,
    "processes": 1,
    "cpus": None,
    "memory": None,
    "program": None,
}


class Job:
    """One job: its run directory, its shim, and what they show."""

    def __init__(self, run: Path, source: str, **plan: Any) -> None:
        self.run = run
        self.id = f"job-{os.getpid()}-{time.monotonic_ns()}"
        (run / "workspace").mkdir(parents=True, exist_ok=True)
        (run / "workspace" / "train.py").write_text(textwrap.dedent(source))
        roles = plan.pop("roles", [{"name": "worker", "replicas": plan.pop("replicas", 1)}])
        python = plan.get("python", sys.executable)
        plan = {
            "id": self.id,
            "owner": "ada",
            "name": "job",
            "strategy": "allreduce",
            "python": python,
            "program": [python, "train.py"],
            "env": {},
            "roles": [{**ROLE, **role} for role in roles],
            "success_role": None,
            "gpus": [],
            "first_attempt": 1,
            "max_restarts": 0,
            "time_limit": None,
            "ran": 0.0,
            "overlay": None,
            "checkpoint_every": 10,
            "tensorboard": str(run / "tensorboard"),
            "workspace": str(run / "workspace"),
            "grace": 10.0,
            **plan,
        }
        (run / "plan.json").write_text(json.dumps(plan))
        self.shim: subprocess.Popen[bytes] | None = None

    def start(self, locks: tuple[int, ...] = ()) -> Job:
        words = [word for fd in locks for word in ("--lock-fd", str(fd))]
        self.shim = subprocess.Popen(
            [sys.executable, "-P", "-m", "dllab_hub.shim", "job", str(self.run), *words],
            cwd=self.run,
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
            pass_fds=locks,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        return self

    def signal(self, number: int) -> None:
        assert self.shim is not None
        self.shim.send_signal(number)

    def end(self, timeout: float = 30) -> dict[str, Any]:
        """The exit record, after the shim has ended and left nothing behind."""
        assert self.shim is not None
        self.shim.wait(timeout)
        record = read_exit(self.run / "exit.rec")
        assert record is not None, (self.run / "shim.log").read_text()
        assert [] == strays(self.id)
        return record

    @property
    def state(self) -> dict[str, Any]:
        return read_json(self.run / "state.json") or {}

    @property
    def replicas(self) -> list[dict[str, Any]]:
        return list(self.state.get("replicas", []))

    @property
    def events(self) -> list[str]:
        return [reason for reason, _ in self.story]

    @property
    def story(self) -> list[tuple[str, str]]:
        """Reason and message of each event so far."""
        path = self.run / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(event["reason"], event["message"]) for event in map(json.loads, lines)]

    def log(self, name: str = "worker-0", attempt: int = 1) -> str:
        path = self.run / "attempts" / str(attempt) / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def wait_for(
        self, text: str, name: str = "worker-0", attempt: int = 1, timeout: float = 30
    ) -> str:
        """Wait for text in a log, which is returned."""
        what = f"{text!r} in the log of {name}"
        until(lambda: text in self.log(name, attempt), what, timeout)
        return self.log(name, attempt)


def until(true: Callable[[], object], what: str, timeout: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Callable[..., Job]]:
    """Makes jobs; what is left of them after the test is killed."""
    made: list[Job] = []

    def make(source: str, run: Path = tmp_path / "run", **plan: Any) -> Job:
        made.append(Job(run, source, **plan))
        return made[-1]

    yield make
    for one in made:
        if one.shim is not None and one.shim.poll() is None:
            one.signal(signal.SIGKILL)
            one.shim.wait()
        sweep(one.id)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def torch_python() -> str:
    """The interpreter of the PyTorch image."""
    python = os.environ.get("DLLAB_TEST_PYTHON")
    if not python:
        pytest.fail("DLLAB_TEST_PYTHON must name a Python that has torch; `make test` sets it.")
    return python
