"""`Hub`: JupyterHub as a child of `dllab up`: started, watched, ended with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ..errors import Unavailable
from ..shim import process
from ..state import StateDir
from .installation import Settings

__all__ = ("Hub", "end_previous")

_PR_SET_PDEATHSIG = 1
_LOG_LIMIT = 10_000_000


class Hub:
    """One run of JupyterHub.

    When this program is killed the hub gets SIGTERM from the kernel and ends itself, its proxy, the
    lab service and the labs. When the hub is killed, labs go on and the next hub finds them.
    """

    def __init__(self, state: StateDir, settings: Settings) -> None:
        self.state = state
        self.settings = settings
        self.log = state.hub / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        _forget_proxy(self.state.hub / "proxy.pid")
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        folder = str(Path(sys.executable).parent)
        environ = {
            **os.environ,
            "DLLAB_HOME": str(self.state.root),
            "DLLAB_ENVS": str(self.state.envs),
            "PATH": os.pathsep.join([folder, os.environ.get("PATH", os.defpath)]),
        }
        libc = ctypes.CDLL(None)
        parent = os.getpid()

        def end_with_us() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # We were killed before the line above.
                os.kill(os.getpid(), signal.SIGTERM)

        with open(self.log, "ab", opener=lambda p, f: os.open(p, f, 0o600)) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "jupyterhub", "-f", str(_config())],
                cwd=self.state.hub,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal reaches us only.
                preexec_fn=end_with_us,
            )
        record = self.state.hub / "hub.json"
        record.write_text(json.dumps(process.identity(self._process.pid)))

    def wait_ready(self, timeout: float) -> None:
        """Until the hub and the lab service answer.

        Raises:
            Unavailable: it ended, or did not answer in time; has the reason from its log.
        """
        deadline = time.monotonic() + timeout
        for path in ("/hub/health", "/services/dllab/dllab/api/status"):
            while not self._answers(path):
                if not self.is_running or time.monotonic() > deadline:
                    what = "ended" if not self.is_running else "does not answer"
                    raise Unavailable(
                        f"the hub {what}: {self._last_line()}", hint=f"All of its log: {self.log}"
                    )
                time.sleep(0.1)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout: float) -> None:
        """End the hub and everything it has started, except jobs."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            _end_proxy(self.state.hub / "proxy.pid")
        (self.state.hub / "hub.json").unlink(missing_ok=True)

    def _answers(self, path: str) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.settings.address + path, timeout=5):
                return True
        except urllib.error.HTTPError as exc:
            return exc.code in (401, 403)  # The lab service wants a token: it is up.
        except OSError:
            return False

    def _last_line(self) -> str:
        """The last complaint in the log of this run."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 16384))
            lines = file.read().decode(errors="replace").split("\n")
        words = ("Error", "error", "[C ", "[E ")
        bad = [line.strip() for line in lines if any(word in line for word in words)]
        return bad[-1] if bad else "its log has no error"


def end_previous(state: StateDir, say: Callable[[str], None], timeout: float = 60) -> None:
    """Wait for a hub whose `dllab up` was killed: it is ending, or is ended now."""
    record = state.hub / "hub.json"
    try:
        identity = json.loads(record.read_text())
    except (OSError, ValueError):
        return
    if identity and process.is_alive(identity):
        say("waiting for the hub of the last start to end")
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity["pid"], signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while process.is_alive(identity) and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.is_alive(identity):
            with contextlib.suppress(ProcessLookupError):
                os.kill(identity["pid"], signal.SIGKILL)
    record.unlink(missing_ok=True)


def _config() -> Path:
    package = Path(__file__).parent.parent
    for path in (
        package.parent / "config" / "jupyterhub" / "local.py",
        package / "share" / "jupyterhub" / "local.py",
    ):
        if path.is_file():
            return path
    raise Unavailable("the hub's configuration is missing.", hint="Install dllab-hub again.")


def _end_proxy(pid_file: Path) -> None:
    """A hub that was killed leaves its proxy behind, and the port with it."""
    _forget_proxy(pid_file)
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return
    before = process.identity(pid)
    if before and process.send(before, signal.SIGTERM):
        give_up = time.monotonic() + 5
        while process.is_alive(before) and time.monotonic() < give_up:
            time.sleep(0.05)
    pid_file.unlink(missing_ok=True)


def _forget_proxy(pid_file: Path) -> None:
    """The hub kills whatever has the number in this file; after a restart that is anybody."""
    try:
        pid = int(pid_file.read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        pid_file.unlink(missing_ok=True)
        return
    if b"configurable-http-proxy" not in words:
        pid_file.unlink(missing_ok=True)
