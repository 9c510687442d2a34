"""`Unit`: one process of a deployment that is not meant to end, below a shim of its own.

The shim starts it again at once, a few times, also while there is no service. When it has given up
the service does, with pauses that grow. What the service knows of it is in ``unit.json``.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ....leases import Lease
from ....shim import EVENTS, EXIT_RECORD, SHIM, STATE, WORKSPACE
from ....shim.process import identity, send, sweep
from ....specs import JobState
from .. import readings
from ..account import Account
from ..look import has_shim, last_words, shim_of
from ..readings import Status
from ..shimdir import ShimDir, sync_folder, write_file
from ..shims import Shims
from .haproxy import POOLS
from .kit import Kit
from .known import Known

__all__ = ("Seen", "Unit")

_LOG = logging.getLogger(__name__)
#: How often the shim starts it again by itself.
_RESTARTS = 3
#: Seconds it has to answer its last requests after SIGTERM.
_GRACE = 10.0
#: Seconds beyond that until its shim is killed.
_PATIENCE = 5.0
#: Longest pause in seconds before it is started again; the first is one second.
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Seen:
    """What is true of the process now.

    Attributes:
        alive: Whether its shim lives.
        attempt: Of this shim, from 1.
        pid: Of the process, or None while it is between two attempts.
        started: Of this process, seconds since the epoch.
        reason: What the shim says of it.
        told: It has ended and is not to blame: it was told to, or the machine went down.
    """

    alive: bool
    attempt: int = 1
    pid: int | None = None
    started: float | None = None
    reason: str = ""
    told: bool = False


class Unit:
    """One process. One thread at a time.

    Attributes:
        gpus: UUIDs of those that it was last started with.

    Args:
        path: ``units/<name>/``.
        id: Marks its processes; differs from that of every other unit of this machine.
        account: Whom it runs as.
        shims: Start it.
    """

    def __init__(self, path: Path, id: str, account: Account, shims: Shims) -> None:
        self.name = path.name
        self.known = Known()
        self.gpus: tuple[str, ...] = ()
        self._folder = ShimDir(path, account)
        self._id = id
        self._shims = shims
        self._ending: float | None = None  # On the monotonic clock: then it is killed.
        self._why = ""  # The service ends it, because of this.
        self._blameless = False  # That is not its fault.

    @property
    def folder(self) -> ShimDir:
        """Its directory."""
        return self._folder

    def create(
        self, model: str = "", version: int = 0, pool: str = POOLS[0], kit: Kit | None = None
    ) -> None:
        """Make the directory, whole or not at all."""
        self.known = Known(model, version, pool, kit=kit or Kit())
        path = self._folder.path
        new = path.with_name(f".new-{path.name}")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir()
        new.chmod(0o711)
        try:
            write_file(new / "shim.lock", b"")
            (new / "run").mkdir(mode=0o700)
            (new / "run" / WORKSPACE).mkdir(mode=0o700)
            ShimDir(new, self._folder.account).note("unit.json", asdict(self.known))
            new.rename(path)
            sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise

    def load(self) -> None:
        """Take over what a service before has known."""
        noted = self._folder.noted("unit.json") or {}
        self.known = Known.read(noted)
        self.gpus = tuple((self._folder.noted("launch.json") or {}).get("gpus", ()))
        if shim := shim_of(self._folder):
            self._shims.adopt(shim["pid"])

    def keep(self, **changes: Any) -> None:
        """Know something else from now on, also after the service has ended."""
        for key, value in changes.items():
            setattr(self.known, key, value)
        try:
            self._folder.note("unit.json", asdict(self.known))
        except OSError as exc:
            _LOG.warning("%s: unit.json could not be written: %s", self._folder.path, exc)

    def look(self) -> Seen:
        """What is true now. Only the lock says whether it lives: its other files may lie."""
        run = self._folder.run
        alive = has_shim(self._folder)
        status = Status.of(run)
        attempt = max(status.attempt, 1)
        if alive:
            process = status.replicas[0] if status.replicas else None
            return Seen(
                alive=True,
                attempt=attempt,
                pid=process.pid if process else None,
                started=process.started if process else None,
                reason=status.reason,
            )
        reason, told = self._end()
        return Seen(alive=False, attempt=attempt, reason=reason, told=told)

    @property
    def is_due(self) -> bool:
        """Whether it should be started now, while it does not run."""
        if not self.known.launched:
            return True
        due = self.known.due
        # A clock that was set back must not make the pause longer.
        return due is not None and not 0 < due - time.time() <= _LONGEST_PAUSE

    @property
    def waits(self) -> bool:
        """Whether nothing happens to it before the pause is over."""
        return self.known.launched and self.known.due is not None and not self.is_due

    def hurry(self) -> None:
        """End the pause before it is started again."""
        if self.known.due is not None:
            self.keep(due=time.time())

    def start(self, command: Sequence[str], env: Mapping[str, str], lease: Lease) -> None:
        """Start it; nothing when it runs.

        Args:
            command: What runs.
            env: What its environment has besides.
            lease: Its GPUs; the caller releases it here.

        Raises:
            DLLabError: it cannot be.
            OSError: it cannot be.
        """
        run = self._folder.run
        if has_shim(self._folder):
            return
        run.forget(STATE, SHIM, EXIT_RECORD, EVENTS)
        plan = {
            "id": self._id,
            "name": self.name,
            "command": list(command),
            "env": dict(env),
            "roles": [{"name": "server", "replicas": 1, "gpus": len(lease.uuids)}],
            "gpus": list(lease.uuids),
            "max_restarts": _RESTARTS,
            "workspace": str(run.path / WORKSPACE),
            "grace": _GRACE,
        }
        self._ending, self._why = None, ""
        again = self.known.restarts + self.known.launched
        self.keep(launched=True, due=None, restarts=again)
        if self._shims.start(self._folder, plan, lease):
            self.gpus = lease.uuids

    def failed(self, attempts: int, reason: str, *, told: bool = False) -> None:
        """It has ended, or could not be started: note when it is tried again.

        Args:
            attempts: Of its shim.
            reason: Sentence.
            told: As in `Seen`.
        """
        failures = self.known.failures + (not told)
        pause = min(2.0 ** min(max(failures - 1, 0), 10), _LONGEST_PAUSE)
        self.keep(
            restarts=min(self.known.restarts + attempts - 1, 10**6),
            failures=failures,
            due=time.time() + pause,
            launched=True,
            reason=reason or "it ended and did not say why.",
        )

    def end(self, why: str = "", *, at_once: bool = False, blameless: bool = False) -> bool:
        """Have it end: SIGTERM, and SIGKILL when it had its time; to be called until that is so.

        Args:
            why: Sentence for `look`; empty when it is to end.
            at_once: It cannot hear, or nothing is with it.
            blameless: It was not its own fault: it is started again without a growing pause.

        Returns:
            Whether it is gone.
        """
        shim = shim_of(self._folder)
        if not has_shim(self._folder):
            if shim:
                self._shims.collect(shim["pid"])
            return True
        now = time.monotonic()
        if self._ending is None:
            self._why, self._blameless = why, blameless
            self._ending = now + (0 if at_once else _GRACE + _PATIENCE)
            if shim and not at_once:
                send(shim, signal.SIGTERM)
        if now >= self._ending:
            if shim:
                send(shim, signal.SIGKILL)
            self._sweep()
        return False

    def _sweep(self) -> None:
        if left := sweep(self._id, uid=self._folder.account.uid, seconds=2):
            _LOG.error("%s: processes %s cannot be killed.", self._folder.path, left)

    def _end(self) -> tuple[str, bool]:
        """Why there is no shim, empty when there never was one; and whether it was told to end."""
        if not self.known.launched or self.known.due is not None:
            return self.known.reason, False
        if self._why:
            return self._why, self._blameless
        end = readings.end(self._folder.run)
        if end is not None:
            told = end.state is JobState.CANCELLED
            return end.reason or f"{self.name} ended by itself.", told
        self._sweep()
        noted = self._folder.noted("launch.json")
        if noted and noted.get("boot_id") != (identity(os.getpid()) or noted).get("boot_id"):
            return "the machine was restarted.", True
        if readings.identity(self._folder.run) is None:
            return f"its supervisor could not start: {last_words(self._folder)}", False
        return f"the supervisor of {self.name} was killed.", False
