"""`Gang`: runs all replicas of a job, and runs them all again when one of them fails."""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import CHECKPOINTS, EVENTS, REPORTS, STATE
from .attempt import Attempt
from .limits import MemoryWatch, TimeLimit, duration
from .record import NO_ROOM, Events, write_atomic
from .replica import Replica
from .reports import furthest_behind
from .signals import Signals, signal
from .stall import Stall
from .strategy import leader
from .usage import Usage
from .verdict import crew, out_of_time, paused, stopped, times

__all__ = ("Gang",)

#: Seconds between asking the rest of a gang to end and killing it, after one has failed. A rank
#: that waits for the dead one has said so by then; what follows is torch taking itself apart.
_FAILURE_GRACE = 0.5
#: So often a gang whose port somebody else has taken is relaunched without that counting.
_FREE_RESTARTS = 5
#: Why a gang is ended before its time; the first two are states of a job.
_CANCELLED, _PAUSED, _OUT_OF_TIME = "CANCELLED", "PAUSED", "OUT_OF_TIME"


class Gang:
    """The replicas of one job, attempt after attempt. Single-threaded: one loop waits for all.

    Args:
        run: The job's run directory.
        plan: Content of ``plan.json``.
        signals: SIGTERM and SIGINT cancel the job, SIGUSR1 pauses it.
    """

    def __init__(self, run: Path, plan: Mapping[str, Any], signals: Signals) -> None:
        self.attempt = self._first = int(plan.get("first_attempt", 1))
        self._run = run
        self._plan = plan
        self._signals = signals
        self._events = Events(run / EVENTS)
        self._started = time.time()
        self._limit = TimeLimit(plan)
        self._memory = MemoryWatch(plan["roles"])
        self._usage = Usage(run, plan)
        self._stall = Stall(run, plan, self._events)
        self._state, self._reason = "RUNNING", ""
        self._written: dict[str, Any] = {}
        self._now: Attempt | None = None
        self._free = 0  # Relaunches that do not count.
        self._hopeless = False  # Another attempt would meet the same.
        self._wish = ""
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)

    @property
    def ran(self) -> float:
        """Seconds that the job has run, launches before this one included."""
        return self._limit.ran

    def run(self) -> tuple[str, str]:
        """Run the job to its end; nothing of it is left then.

        Returns:
            Name of its last ``JobState``, and the sentence that explains it.
        """
        for name in (CHECKPOINTS, REPORTS):
            (self._run / name).mkdir(mode=0o700, exist_ok=True)
        attempt = self._one_attempt(None)
        while attempt.failed and not self._wish and self._goes_on(attempt):
            if self._limit.is_over:
                self._end_early(_OUT_OF_TIME)
                break
            self.attempt += 1
            attempt = self._one_attempt(attempt.failed)
        state, reason = self._verdict(attempt)
        self._become(state, reason)
        self._events.add(state.capitalize(), reason or self._success)
        return state, reason

    def _verdict(self, attempt: Attempt) -> tuple[str, str]:
        if self._wish == _CANCELLED:
            what = "it was told to end." if "command" in self._plan else "the job was cancelled."
            return _CANCELLED, what
        if self._wish == _PAUSED:
            name = leader(self._plan, attempt.gang).name
            return _PAUSED, paused(self._run, name, killed=attempt.overdue)
        if self._wish == _OUT_OF_TIME:
            return "FAILED", out_of_time(self._run, self._limit.total, killed=attempt.overdue)
        if not attempt.failed:
            return "SUCCEEDED", ""
        reason = attempt.failed.why
        if restarts := self.attempt - self._first:
            what = "It" if "command" in self._plan else "The job"
            reason += f" {what} had been restarted {times(restarts)}."
        return "FAILED", reason

    @property
    def _success(self) -> str:
        role = self._plan.get("success_role")
        return f"every replica{f' of the role {role}' if role else ''} returned 0."

    @property
    def _last(self) -> int:
        """Number of the last attempt there can be."""
        return self._first + int(self._plan["max_restarts"]) + self._free

    def _goes_on(self, attempt: Attempt) -> bool:
        """Whether there is another attempt after a failure of this one."""
        return not self._hopeless and attempt.number < self._last

    def _one_attempt(self, before: Replica | None) -> Attempt:
        attempt = Attempt(self._run, self._plan, self.attempt, self._selector, self._events)
        self._now = attempt
        self._state, self._reason = "RUNNING", ""
        if before:
            self._reason = f"attempt {self.attempt} of {self._last}, because {before.why}"
        self._usage.begin()
        self._stall.begin()
        if broken := attempt.launch():
            self._hopeless = True
            self._fail(attempt, broken)
        self._show()
        if not attempt.failed:
            self._events.add("Started", f"attempt {self.attempt} with {crew(attempt.gang)}.")
        while attempt.running:
            news = False  # Output, which may come all the time, changes no state.
            for key, _ in self._selector.select(self._patience(attempt)):
                if not isinstance(key.data, Replica):
                    self._hear(attempt)
                    news = True
                elif attempt.output.pump(key.data) and not self._is_ending(attempt):
                    news |= self._stall.heard()
            if self._look(attempt) or news:
                self._show()
        attempt.close()
        self._hear(attempt)  # What came during the sweep.
        return attempt

    def _hear(self, attempt: Attempt) -> None:
        """Act on the signals that have come."""
        numbers = self._signals.read()
        if signal.SIGCHLD in numbers:
            ended, stopped = attempt.collect()
            for replica, code in ended:
                self._end(attempt, replica, code)
            for replica, number in stopped:
                self._stop(replica, number)
        if self._is_decided(attempt):
            return
        if numbers & {signal.SIGTERM, signal.SIGINT}:
            self._end_early(_CANCELLED)
        elif signal.SIGUSR1 in numbers and "command" not in self._plan:
            self._end_early(_PAUSED)

    def _is_decided(self, attempt: Attempt) -> bool:
        """Whether nobody can end it early any more: it has succeeded, or failed for good."""
        if self._wish == _OUT_OF_TIME or attempt.over:
            return True
        return attempt.failed is not None and not self._goes_on(attempt)

    def _end_early(self, wish: str) -> None:
        if self._wish in (wish, _CANCELLED):
            return
        self._wish = wish
        if wish == _CANCELLED:
            self._reason = "cancelling."
            self._events.add("CancelRequested", "the replicas were asked to end.")
        elif wish == _PAUSED:
            self._reason = "pausing."
            self._events.add("PauseRequested", "the replicas were asked to save and end.")
        else:
            self._reason = f"its time limit of {duration(self._limit.total)} is reached."
            self._events.add("TimeLimit", f"{self._reason[:-1]}: the replicas were asked to end.")
        if self._now:
            self._now.ask(self._plan["grace"])

    def _end(self, attempt: Attempt, replica: Replica, code: int) -> None:
        over, taken = attempt.over, attempt.port_taken
        told = "SUCCEEDED" if over else "CANCELLED" if self._wish or attempt.failed else ""
        told = "FAILED" if replica is attempt.failed else told  # It had stalled.
        tail = attempt.output.tail(replica)
        self._usage.settle(replica, code, tail, told=bool(told))
        attempt.end(replica, code, tail, told)
        if attempt.port_taken and not taken and self._free < _FREE_RESTARTS:
            self._free += 1
            self._events.add("PortTaken", "another program has a port of it; the next has others.")
        if replica.state == "FAILED" and replica is not attempt.failed:
            self._fail(attempt, replica)
        elif attempt.over and not over and (left := attempt.running):
            names = ", ".join(one.name for one in left)
            self._events.add("Ending", f"{self._success[:-1]}; {names}: ended with it.")
            attempt.dismiss()
        elif self._wish or attempt.failed:
            attempt.go_on_ending()

    def _fail(self, attempt: Attempt, replica: Replica) -> None:
        again, attempt.failed = attempt.failed is not None, replica
        self._hopeless = self._hopeless or bool(replica.blame)
        self._events.add("ReplicaFailed", replica.why)
        self._reason = replica.why
        if self._goes_on(attempt):
            self._state = "RESTARTING"
            follows = f"attempt {attempt.number + 1} of {self._last} follows."
            self._reason += f" A{follows[1:]}"
            if not again:
                self._events.add("Restarting", follows)
        attempt.ask(_FAILURE_GRACE, rest=0.0)

    def _stop(self, replica: Replica, number: int) -> None:
        before, replica.stopped = replica.stopped, number
        if number:
            self._events.add("ReplicaStopped", stopped([replica]))
        elif before:
            self._events.add("ReplicaContinued", f"{replica.name} goes on.")

    def _look(self, attempt: Attempt) -> bool:
        """Whether the time has come for something, which is done then."""
        if (patience := self._patience(attempt)) is None or patience > 0:
            return False
        if self._is_ending(attempt):
            attempt.enforce()
        elif self._limit.is_over:
            self._hear(attempt)  # An end that came before counts.
            if not self._is_ending(attempt):
                self._end_early(_OUT_OF_TIME)
        elif self._memory.due is not None and time.monotonic() >= self._memory.due:
            attempt.kill(self._memory.look(attempt.gang))
        elif self._usage.due is not None and time.monotonic() >= self._usage.due:
            self._usage.look(attempt.gang)
        elif self._stall.look(follows=self._after_a_stall(attempt)) and self._stall.relaunches:
            self._give_up(attempt)
        return True

    def _after_a_stall(self, attempt: Attempt) -> str:
        if not self._stall.relaunches:
            return "its processes still run"
        return "it is relaunched" if self._goes_on(attempt) else "no restarts are left"

    def _give_up(self, attempt: Attempt) -> None:
        """The attempt has stalled: it has failed, by whoever seems to hold up the others."""
        why = f"nothing was heard of the job for {duration(self._stall.after or 0.0)}"
        first = attempt.running[0]
        peers = [one for one in attempt.running if one.role == first.role]
        behind = furthest_behind(self._run, peers)
        culprit, step = behind or (first, None)
        culprit.why = f"{why}; {culprit.name} was last, at step {step}." if behind else f"{why}."
        self._fail(attempt, culprit)

    def _is_ending(self, attempt: Attempt) -> bool:
        return bool(self._wish or attempt.failed or attempt.over)

    def _patience(self, attempt: Attempt) -> float | None:
        """Seconds until `_look` may find something."""
        if self._is_ending(attempt):
            dues = [attempt.deadline]
        else:
            dues = [self._limit.due, self._memory.due, self._usage.due, self._stall.due]
        due = min((due for due in dues if due is not None), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _become(self, state: str, reason: str) -> None:
        self._state, self._reason = state, reason
        self._stall.silent_since = None
        self._show()

    def _show(self) -> None:
        """Write ``state.json`` when something in it has changed."""
        attempt = self._now
        gang = attempt.gang if attempt else []
        reason = self._reason
        if attempt and not self._is_ending(attempt):
            reason = stopped([one for one in gang if one.stopped]) or reason
            if self._stall.silent_since and not reason:
                reason = f"{self._stall.words} or longer."
        state = {
            "state": self._state,
            "reason": reason,
            "attempt": self.attempt,
            "replicas": [replica.wire() for replica in gang],
            "started": self._started,
            "master_port": attempt.ports[0] if attempt and attempt.ports else 0,
            "silent_since": self._stall.silent_since,
        }
        if state == self._written:
            return
        try:
            write_atomic(self._run / STATE, {**state, "ran": self.ran})
        except OSError as exc:
            if exc.errno not in NO_ROOM:
                raise
        else:
            self._written = state
