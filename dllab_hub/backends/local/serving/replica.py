"""`Replica`: one model server of a deployment, as the controller knows it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ....errors import DLLabError, NoCapacity
from ....shim.process import is_stopped
from ....specs import DeploymentReplica, ReplicaState
from .kit import Kit
from .sockets import answers
from .unit import Seen, Unit

__all__ = ("Replica",)

#: Seconds that a model may take to load.
_START = 120.0
#: Seconds that a replica may fail its health checks before it is ended.
_SILENCE = 30.0
#: Seconds that its process may be stopped: nobody is answered by it, and it does not end.
_STOPPED = 2.0
#: Seconds it must have worked for its failures to be forgotten.
_PROOF = 10.0
#: Seconds for the last requests of a replica that is drained.
_DRAIN = 30.0


class Replica:
    """A model server: started, asked whether it is ready, watched, drained, ended.

    Attributes:
        unit: Its process.
        joined: Whether it is to be in the balancer.
        ready: Whether it answers.
        released: Whether the balancer sends it nothing any more, and its last request is answered.
        waiting: Why it cannot be started yet: too few GPUs are free. Empty when it waits for none.

    Args:
        unit: Its process.
        socket: Where it listens.
        probe: What is asked of it: a path that it answers with 200 when it is ready.
    """

    def __init__(self, unit: Unit, socket: Path, probe: str) -> None:
        self.unit = unit
        self.socket = socket
        self.joined = False
        self.ready = False
        self.released = False
        self.waiting = ""
        self._probe = probe
        self._seen = Seen(alive=False)
        self._proved: Seen | None = None  # The process that has answered.
        self._ours = False  # This service has started it.
        self._since = 0.0  # It answers; on the monotonic clock, as all here.
        self._silent: float | None = None
        self._stopped: float | None = None
        self._launched = 0.0
        self._patience = 0.0  # Not asked before.
        self._release_by: float | None = None

    @property
    def name(self) -> str:
        """``replica-1``."""
        return self.unit.name

    @property
    def number(self) -> int:
        """The 1 in it."""
        return int(self.name.rpartition("-")[2])

    @property
    def serves(self) -> tuple[str, int]:
        """Model and version."""
        return self.unit.known.model, self.unit.known.version

    @property
    def pool(self) -> str:
        """Which of the balancer's pools it is in."""
        return self.unit.known.pool

    @property
    def kit(self) -> Kit:
        """What it was made with."""
        return self.unit.known.kit

    @property
    def draining(self) -> bool:
        """Whether it is on its way out."""
        return self.unit.known.draining

    @property
    def is_settled(self) -> bool:
        """Whether nothing is expected to change with it soon."""
        return (self.ready or self.unit.waits or bool(self.waiting)) and not self.draining

    @property
    def failing(self) -> bool:
        """Whether its last attempt went wrong for good."""
        return not self.ready and self.unit.known.failures > 0

    def tend(
        self,
        start: Callable[[Unit], None],
        word: str | None,
        say: Callable[[str, str], None],
    ) -> None:
        """Look at it, and start it when it should run and does not.

        Args:
            start: Starts the process.
            word: The balancer's for it, or None.
            say: Adds an event.
        """
        before, self._seen = self._seen, self.unit.look()
        seen, now = self._seen, time.monotonic()
        if not seen.alive:
            self.joined = self.ready = False
            self._proved = self._silent = None
            if self.unit.known.launched and self.unit.known.due is None:
                self.unit.failed(seen.attempt, seen.reason, told=seen.told)
                what = "ReplicaEnded" if seen.told else "ReplicaFailed"
                say(what, f"{self.name}: {self.unit.known.reason}")
            if self.unit.is_due:
                self._start(start, say)
            return
        self.waiting = ""
        if before.alive and seen.attempt > before.attempt:
            say("ReplicaRestarted", f"{self.name}: {seen.reason or 'it ended by itself.'}")
        if not is_stopped(seen.pid):
            self._stopped = None
        elif now - (since := self._stopped or now) > _STOPPED:
            # What is with it fails at once, and is asked again elsewhere.
            why = f"{self.name} was stopped by a signal."
            self.unit.end(why, at_once=True, blameless=True)
        else:
            self._stopped = since
        if self._proved is None and word == "UP" and not self._ours:
            # It answered the service before, and the balancer ever since. It may be too busy for a
            # question now, and must not lose what it works on.
            self._proved, self._since, self.joined = seen, now, True
        if self._proved is None or _other(seen, self._proved):
            self._ask(seen, say)
        elif word == "DOWN":
            self._silent = self._silent or now
            self.ready = False
            if now - self._silent > _SILENCE:
                why = f"{self.name} did not answer for {_SILENCE:.0f} seconds."
                self.unit.end(why, at_once=True)
        else:
            self._silent = None
            self.ready = True
            if self.unit.known.failures and now - self._since > _PROOF:
                self.unit.keep(failures=0, reason="")

    def drain(self) -> None:
        """No new requests from now on."""
        self.unit.keep(draining=True)

    def release(self, sessions: int | None) -> bool:
        """Whether the balancer may forget it.

        Args:
            sessions: Requests that are with it, or None when that cannot be asked.
        """
        now = time.monotonic()
        if self._release_by is None:
            self._release_by = now + _DRAIN
        return sessions == 0 or now > self._release_by

    def end(self) -> bool:
        """Have the process end; whether it has."""
        self.joined = self.ready = False
        return self.unit.end()

    def wire(self) -> DeploymentReplica:
        """As others see it."""
        known, seen = self.unit.known, self._seen
        if self.draining:
            state, reason = ReplicaState.DRAINING, "it answers its last requests."
        elif self.ready:
            state, reason = ReplicaState.READY, ""
        elif self.waiting:
            state = ReplicaState.RESTARTING if known.launched else ReplicaState.STARTING
            reason = self.waiting
        elif not seen.alive and known.due is not None:
            pause = max(known.due - time.time(), 0)
            state = ReplicaState.FAILED if known.failures else ReplicaState.RESTARTING
            reason = f"{known.reason} It is started again in {pause:.0f} s."
        elif known.failures or seen.attempt > 1:
            state = ReplicaState.RESTARTING
            reason = seen.reason or known.reason or "it is started again."
        elif self._silent is not None:
            state, reason = ReplicaState.RESTARTING, "it does not answer."
        else:
            state, reason = ReplicaState.STARTING, "the model server starts."
        return DeploymentReplica(
            name=self.name,
            version=known.version,
            state=state,
            pid=seen.pid if seen.alive else None,
            restarts=known.restarts + (seen.attempt - 1 if seen.alive else 0),
            reason=reason,
            started=seen.started if seen.alive else None,
        )

    def _start(self, start: Callable[[Unit], None], say: Callable[[str, str], None]) -> None:
        self._ours = True
        try:
            start(self.unit)
        except NoCapacity as exc:  # No failure: the next look tries again, and the one after it.
            if not self.waiting:
                say("ReplicaWaits", f"{self.name}: {exc.message}")
            self.waiting = exc.message
            return
        except (DLLabError, OSError) as exc:
            self.unit.failed(1, f"it cannot be started: {exc}")
            say("ReplicaFailed", f"{self.name}: {self.unit.known.reason}")
        self.waiting = ""
        self._launched = time.monotonic()

    def _ask(self, seen: Seen, say: Callable[[str, str], None]) -> None:
        self.ready = False
        now = time.monotonic()
        self._launched = self._launched or now
        if now >= self._patience and self._answers(now):
            self._proved, self._since, self._silent = seen, now, None
            self._launched = 0.0
            self.ready = self.joined = True
            say("ReplicaReady", f"{self.name} answers.")
        elif now - self._launched > _START:
            why = f"{self.name} was not ready within {_START:.0f} seconds."
            self.unit.end(why, at_once=True)

    def _answers(self, now: float) -> bool:
        answer = answers(self.socket, self._probe, self.unit.folder.account.uid)
        # Who lets us wait is asked less often: others are looked after by the same threads.
        self._patience = time.monotonic() + 3 * (time.monotonic() - now)
        return answer


def _other(seen: Seen, before: Seen) -> bool:
    return (seen.attempt, seen.pid, seen.started) != (before.attempt, before.pid, before.started)
