"""The launcher of a replica, started as its pod would start it: real processes, no cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainings import ID, WISHES

from dllab_hub.manifests.gang import gang
from dllab_hub.runtime.pod_status import STATUS
from dllab_hub.shim.record import read_json
from dllab_hub.specs import TrainingSpec

__all__ = ("MODULE", "Launch", "Launched", "pod", "run", "until")

MODULE = [sys.executable, "-P", "-m", "dllab_hub.runtime.launcher"]


def pod(
    tmp_path: Path, wish: str | TrainingSpec, role: str = "worker", **more: Any
) -> dict[str, str]:
    """The environment of a container, as the manifest and Kubernetes make it."""
    made = tmp_path / "run"
    for name in ("workspace", "checkpoints", "attempts"):  # The service has made them.
        (made / name).mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "DLLAB_GANG": json.dumps(gang(ID, WISHES[wish] if isinstance(wish, str) else wish)),
        "DLLAB_ROLE": role,
        "DLLAB_RUN": str(made),
        "DLLAB_WORKSPACE": str(made / "workspace"),
        "DLLAB_TENSORBOARD_DIR": str(tmp_path / "tensorboard"),
        "DLLAB_FIRST_ATTEMPT": "1",
        "DLLAB_GRACE": "10",
        "JOB_COMPLETION_INDEX": "0",
        "DLLAB_RESTARTS": "0",
        **more,
    }


def run(env: dict[str, str], code: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code in a pod to its end."""
    return subprocess.run(
        [*MODULE, sys.executable, "-c", textwrap.dedent(code)], env=env, capture_output=True,
        text=True, timeout=60, cwd=env["DLLAB_WORKSPACE"], **more,
    )  # fmt: skip


class Launched:
    """A launcher that runs Python code, and what it has written."""

    def __init__(self, env: dict[str, str], code: str, **more: Any) -> None:
        self.env = env
        self.run = Path(env["DLLAB_RUN"])
        self.attempt = int(env["DLLAB_FIRST_ATTEMPT"]) + int(env["DLLAB_RESTARTS"])
        self.process = subprocess.Popen(
            [*MODULE, sys.executable, "-c", textwrap.dedent(code)], env=env,
            cwd=env["DLLAB_WORKSPACE"], **{"stdout": subprocess.DEVNULL, **more},
        )  # fmt: skip

    @property
    def folder(self) -> Path:
        return self.run / "attempts" / str(self.attempt)

    @property
    def status(self) -> dict[str, Any]:
        name = f"{self.env['DLLAB_ROLE']}-{self.env['JOB_COMPLETION_INDEX']}"
        return read_json(self.folder / f"{name}{STATUS}") or {}

    def log(self, name: str = "all") -> str:
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def said(self, text: str, name: str = "all") -> Launched:
        """Wait for text in a log."""
        until(lambda: text in self.log(name), f"{text!r} in the log {name}")
        return self

    def signal(self, number: int = signal.SIGTERM) -> Launched:
        self.process.send_signal(number)
        return self

    def end(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)


#: Starts code in a pod: the fixture ``launch``.
Launch = Callable[..., Launched]


def until(true: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until something is so."""
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, f"{what} did not come true in {seconds} s"
        time.sleep(0.01)
