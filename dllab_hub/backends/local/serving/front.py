"""`Front`: the balancer of a deployment as a process that is kept alive and kept up to date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from ....errors import DLLabError, Unavailable
from ....leases import Lease
from ....specs import Traffic
from .balancer import Balancer, Server
from .unit import Seen, Unit

__all__ = ("Front",)

_LOG = logging.getLogger(__name__)
#: Seconds between two looks at the traffic.
_LOOK = 1.0
#: Seconds that a balancer may be silent before it is ended.
_SILENCE = 20.0
#: A question that took longer than this is not asked again at once.
_SLOW = 0.5


class Front:
    """Keeps HAProxy running, with exactly the replicas that are to be in it.

    Attributes:
        unit: Its process.
        words: HAProxy's word for each replica; None while it does not answer.
        traffic: As last seen; None while it does not answer.
    """

    def __init__(self, unit: Unit, balancer: Balancer, say: Callable[[str, str], None]) -> None:
        self.unit = unit
        self.words: dict[str, str] | None = None
        self.traffic: Traffic | None = None
        self._balancer = balancer
        self._say = say
        self._seen = Seen(alive=False)
        self._written: tuple[tuple[Server, ...], int] | None = None
        self._percent = 0  # Of the second pool.
        self._split: int | None = None  # As HAProxy knows it; None: not known.
        self._current = False  # Known to be what this release starts.
        self._silent: float | None = None  # Since then; on the monotonic clock, as all here.
        self._patience = 0.0  # Not asked before.
        self._looked = 0.0

    @property
    def reason(self) -> str:
        """Why it does not answer; empty when it does."""
        if self.words is not None:
            return ""
        known = self.unit.known
        if self._seen.alive:
            return "the balancer starts." if not known.failures else f"balancer: {known.reason}"
        return f"balancer: {known.reason}" if known.reason else "the balancer starts."

    def tend(self, members: Sequence[Server]) -> None:
        """Start it when it does not run; else ask it how it is."""
        self._seen = self.unit.look()
        now = time.monotonic()
        if self._seen.alive:
            self._ask(now)
            return
        self.words = self.traffic = self._silent = self._split = None
        self._current = False
        self._patience = 0.0
        known = self.unit.known
        if known.launched and known.due is None:
            told = self._seen.told
            self.unit.failed(self._seen.attempt, self._seen.reason, told=told)
            self._say("BalancerEnded" if told else "BalancerFailed", known.reason)
        if self.unit.is_due:
            try:
                self._write(members)
                self.unit.start(self._balancer.command(), {}, Lease((), ()))
            except (DLLabError, OSError) as exc:
                self.unit.failed(1, f"it cannot be started: {exc}")
                self._say("BalancerFailed", known.reason)

    def share(self, members: Sequence[Server], leaving: Sequence[str], percent: int = 0) -> None:
        """Have these replicas in it, now and at its next start; those that leave get nothing new.

        Args:
            members: Ready.
            leaving: Names of those that answer their last requests.
            percent: Of 100 requests, how many the second pool gets.
        """
        began = time.monotonic()
        self._percent = percent
        try:
            self._write(members)
            if self.words is None:
                return
            if percent != self._split:
                self._balancer.split(percent)
                self._split = percent
            wanted = {server.name: server for server in members}
            for name, server in wanted.items():
                if self.words.get(name) in (None, "DRAIN", "MAINT"):
                    self._balancer.add(server)
                    self.words[name] = "UP"
            for name, word in tuple(self.words.items()):
                if name in leaving and word != "DRAIN":
                    self._balancer.drain(name)
                    self.words[name] = "DRAIN"
                elif name not in wanted and name not in leaving:
                    self._balancer.remove(name)
                    del self.words[name]
        except Unavailable as exc:
            self._hangs(exc, began)
        except (DLLabError, OSError) as exc:  # The next look tries again.
            _LOG.warning("The balancer in %s: %s", self.unit.folder.path, exc)

    def sessions(self, name: str) -> int | None:
        """Requests that are with a replica; None when it cannot be asked."""
        if self.words is None:
            return None if self._seen.alive else 0
        if name not in self.words:
            return 0
        try:
            return self._balancer.sessions(name)
        except DLLabError:
            return None

    def end(self) -> bool:
        """Have it end; whether it has."""
        self.words = self.traffic = None
        return self.unit.end()

    def _ask(self, now: float) -> None:
        if now < self._patience:
            return
        try:
            if not self._current and not self._balancer.is_current():
                self.words = self.traffic = None
                self.unit.end("it was started by an older release.")
                return
            self._current = True
            self.words = self._balancer.servers()
            if self.traffic is None or now - self._looked > _LOOK:
                self.traffic, self._looked = self._balancer.traffic(), now
        except Unavailable as exc:
            self._hangs(exc, now)
        else:
            self._silent = None
            if self.unit.known.failures:
                self.unit.keep(failures=0, reason="")

    def _hangs(self, exc: Unavailable, began: float) -> None:
        """It did not answer what was asked then: it has some time, and is not asked for a while."""
        self.words = self.traffic = None
        self._silent = self._silent or began
        took = time.monotonic() - began
        self._patience = time.monotonic() + (3 * took if took > _SLOW else 0)
        if began - self._silent > _SILENCE:
            self.unit.end(f"it hung: {exc.message}", at_once=True)

    def _write(self, members: Sequence[Server]) -> None:
        wanted = tuple(members), self._percent
        if wanted != self._written:
            self._balancer.write(*wanted)
            self._written = wanted
