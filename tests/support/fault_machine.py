"""`Machine`: the lab service as the hub starts it, jobs of plain Python, and ways to hurt both.

Every job runs below a real shim and was submitted through the service's REST interface.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_hub import make_image
from service_process import Start, starting, up
from stub_hub import StubHub

from dllab_hub.client import Client
from dllab_hub.shim.ports import free_port
from dllab_hub.shim.process import send, sweep
from dllab_hub.specs import Code, JobState, Role, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

__all__ = (
    "COUNTING", "PATIENT", "Machine", "kill_replica", "machine_of", "patience", "small_disk",
    "until",
)  # fmt: skip

#: Notes its start, then goes on until a link ``go`` names its exit code: a link needs no room.
PATIENT = """
    import os, sys, time
    with open("starts", "a") as file:
        file.write(os.environ["DLLAB_ROLE"] + os.environ["DLLAB_REPLICA"] + "\\n")
    while not os.path.lexists("go"):
        time.sleep(0.02)
    sys.exit(int(os.readlink("go")))
"""
#: Counts steps for ever, with a checkpoint after every tenth, until there is a ``go``.
COUNTING = """
    import json, os, time
    from dllab_hub.runtime.checkpoint import Checkpointer
    state = {}
    def save(path):
        with open(path, "w") as file:
            json.dump(state, file)
    def load(path):
        with open(path) as file:
            state.update(json.load(file))
    keeper = Checkpointer(every=10, save=save, load=load)
    first = keeper.restore()
    assert first == state.get("step", 0)
    for step in range(first + 1, 1_000_000):
        state["step"] = step
        print("STEP", step, flush=True)
        keeper.step(step)
        if os.path.lexists("go"):
            break
        time.sleep(0.01)
"""


def patience(seconds: float) -> float:
    """So many seconds of an idle machine, on this one as it is now."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def until(true: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """The first true value of a condition."""
    give_up = time.monotonic() + patience(seconds)
    while not (value := true()):
        assert time.monotonic() < give_up, f"{what} did not come true in {seconds} s"
        time.sleep(0.03)
    return value


class Machine:
    """One machine: its state directory, its lab service, and ada, who uses it.

    Attributes:
        state: Where all of it lies.
        client: Of ada.
        service: The process, once it was started.
    """

    def __init__(self, home: Path, port: int, start: Start) -> None:
        self.home = home
        self.state = StateDir(home / "state", home / "envs")
        make_image(self.state, "pytorch", Path(sys.executable))
        self.client = Client(f"http://127.0.0.1:{port}/services/dllab/dllab/api/", "ada-token")
        self.service: psutil.Popen | None = None
        self._start = start

    def start(self, command: tuple[str, ...] = (), **env: str) -> float:
        """Start the service; seconds until it answered."""
        began = time.monotonic()
        self.begin(command, **env)
        assert self.service is not None
        up(self.client, self.service)
        return time.monotonic() - began

    def begin(self, command: tuple[str, ...] = (), **env: str) -> None:
        """Start the service and do not wait for it."""
        self.service = self._start(command, DLLAB_ENVS=str(self.state.envs), **env)

    def kill(self) -> None:
        """kill -9 of the service."""
        assert self.service is not None
        self.service.kill()
        self.service.wait(10)

    def submit(self, source: str = PATIENT, *roles: Role, **spec: Any) -> TrainingJob:
        """A job of ada's, of two workers unless it is said; it waits for no CPU."""
        roles = roles or (Role(replicas=2),)
        wish: dict[str, Any] = {
            "name": "fault",
            "image": "pytorch",
            "code": spec.pop("code", None) or Code(source=textwrap.dedent(source)),
            "roles": tuple(role.model_copy(update={"cpus": 0.05}) for role in roles),
            "max_restarts": 0,
            **spec,
        }
        return self.client.submit(TrainingSpec(**wish))

    def run(self, job: TrainingJob) -> Path:
        """The run directory of a job."""
        return self.state.jobs / job.id / "run"

    def starts(self, job: TrainingJob) -> list[str]:
        """Which replicas have started, each as often as it did, in the order of their names."""
        path = self.run(job) / "workspace" / "starts"
        return sorted(path.read_text().split()) if path.exists() else []

    def started(self, job: TrainingJob, count: int = 2) -> TrainingJob:
        """The job once so many replicas have noted their start and the service knows it."""
        until(lambda: len(self.starts(job)) >= count, "the start of all replicas")
        return self.reaches(job, JobState.RUNNING, processes=count)

    def reaches(
        self, job: TrainingJob, *states: JobState, processes: int = 0, seconds: float = 30
    ) -> TrainingJob:
        """The job once it is in one of the states, with at least so many live processes."""

        def there() -> TrainingJob | None:
            now = self.client.get(job.id)
            alive = sum(replica.pid is not None for replica in now.replicas)
            return now if now.state in states and alive >= processes else None

        found: TrainingJob = until(there, f"{job.id} being {' or '.join(states)}", seconds)
        return found

    def ended(self, job: TrainingJob, seconds: float = 30) -> TrainingJob:
        """The job once it has ended."""
        return self.reaches(job, *(s for s in JobState if s.is_terminal), seconds=seconds)

    def go(self, job: TrainingJob, code: int = 0) -> None:
        """Let a patient or counting job end."""
        (self.run(job) / "workspace" / "go").symlink_to(str(code))

    def shim(self, job: TrainingJob) -> int:
        """Process id of its supervisor."""
        return int(json.loads((self.run(job) / "shim.json").read_text())["pid"])

    def steps(self, job: TrainingJob, attempt: int = 1, name: str = "worker-0") -> list[int]:
        """Steps that a counting replica has printed."""
        path = self.run(job) / "attempts" / str(attempt) / f"{name}.log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[1]) for line in lines if line.startswith("STEP ")]

    def clear(self) -> None:
        """Leave nothing running."""
        self.client.close()
        for path in self.state.jobs.glob("*-*"):
            try:
                about = json.loads((path / "run" / "shim.json").read_bytes())
            except (OSError, ValueError):
                about = {}
            send(about, signal.SIGCONT)
            send(about, signal.SIGKILL)
            sweep(path.name)


def kill_replica(job: TrainingJob, name: str, number: int = signal.SIGKILL) -> None:
    """Send a signal to a replica that runs."""
    (pid,) = (replica.pid for replica in job.replicas if replica.name == name)
    assert pid is not None
    os.kill(pid, number)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A file system of its own at a path, of this size; skips the test where that is forbidden."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def machine_of(home: Path, hub: StubHub) -> Iterator[Machine]:
    """A machine whose service is not started yet; nothing of it is left."""
    port = free_port()
    home.mkdir(exist_ok=True)
    with ExitStack() as stack:
        start = stack.enter_context(starting(home, home / "log", port, hub))
        made = Machine(home, port, start)
        stack.callback(made.clear)
        yield made
