"""Starts the processes of one replica in its pod: ``python -m dllab_hub.runtime.launcher PROGRAM``.

In a pod it is what a shim is on one machine. It gives each process the worker's contract and what
its strategy needs to find the others, writes what they say, use and become into the run directory
of the job, and copies their output to its own. It passes SIGTERM on, and ends with the code of the
first that fails; the others are ended then, so that the pod fails at once and the whole gang can be
relaunched. ``torchrun`` is not used inside: its agent costs one to two seconds, and says 1 whatever
a process's own code was.

Standard library only: the image of a job has nothing else of ours.
"""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from ..shim import ATTEMPTS, MERGED_LOG, USAGE
from ..shim.children import become_subreaper, changes, start
from ..shim.logs import Logs
from ..shim.output import Output
from ..shim.process import sweep
from ..shim.record import Events
from ..shim.replica import Replica
from ..shim.signals import Signals, signal
from ..shim.usage import Usage
from ..shim.verdict import out_of_memory
from ..shim.volumes import link_volumes
from .gang import Gang, environment
from .pod_appender import Appender
from .pod_crew import chief_is_elsewhere, has_saver, processes_of, saver_of
from .pod_echo import Echo, say
from .pod_folder import Folder
from .pod_status import Status
from .termination import TERMINATED

__all__ = ("main",)

#: Seconds that the others have to end when one of the gang has failed. A rank that waits for the
#: dead one has said so by then, and Kubernetes relaunches nobody before all of them are gone.
_FAILURE_GRACE = 2.0
#: Seconds that the others have once the one has ended that saves for all.
_REST = 1.0
#: This part of the grace is the chief's; then its servers and workers are told to end, too.
_CHIEFS_PART = 0.8
#: Seconds between two looks what has become of other pods.
_LOOK = 0.25
#: Codes of a replica that never ran, as a shell has them for a program that is not there.
_NOT_FOUND, _NO_VOLUME = 127, 1


def main(program: Sequence[str]) -> int:
    """Run the processes of this replica to their ends.

    Args:
        program: What each of them runs; no shell reads it.

    Returns:
        0, or the code of the first that failed, as a shell says it: 128 and its signal's number.
        143 when it was told to end and did, whatever the processes made of it: they had not ended
        by themselves, so that Kubernetes must not count the replica as done.
    """
    signals = Signals()
    become_subreaper()
    gang = Gang.of(os.environ)
    for folder in gang.folders:
        with suppress(OSError):  # A full disk: the code meets it itself where that matters.
            folder.mkdir(parents=True, exist_ok=True)
    return Pod(gang, program, signals).run()


class _Spoken(Events):
    """Events in a pod are words in its log: the service writes those of the job."""

    def add(self, reason: str, message: str) -> None:
        say(message)


class Pod:
    """The processes of a replica, from their start until nothing of them is left.

    Args:
        gang: The replica.
        program: What each of its processes runs.
        signals: SIGTERM and SIGINT end them.
    """

    def __init__(self, gang: Gang, program: Sequence[str], signals: Signals) -> None:
        self._gang, self._program, self._signals = gang, program, signals
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)
        folder = Folder(gang.run)
        self._echo = Echo(self._selector)
        self._files = Appender(folder, say)
        self._status = Status(folder, gang)
        self._replicas = processes_of(gang)
        self._saver = saver_of(gang, self._replicas)
        logs = Logs(gang.run, [one.name for one in self._replicas], append=self._append)
        self._output = Output(logs, self._selector, _Spoken(gang.run))
        self._usage = Usage(gang.run, {}, append=self._append_usage)
        self._reason = ""
        self._code = 0  # Of the first that returned another.
        self._failed = self._asked = False
        self._told: set[int] = set()
        self._due: float | None = None  # Then who still runs is killed.
        self._next_look: float | None = None
        self._tell_at: float | None = None  # Then those are told that a chief may have needed.

    def run(self) -> int:
        """Run them to their ends.

        Returns:
            As `main`.
        """
        try:
            self._launch()
            while self._running:
                self._wait()
        finally:
            sweep(self._gang.about["id"], children=True)
            self._output.close(self._replicas)
            self._files.finish()
        code = self._code or (TERMINATED if self._told else 0)
        self._status.show(self._replicas, self._reason, code)
        self._echo.finish()
        return code

    @property
    def _running(self) -> list[Replica]:
        return [one for one in self._replicas if one.process]

    def _launch(self) -> None:
        trouble, code = self._link(), _NO_VOLUME
        self._usage.begin()
        for one in self._replicas:
            if trouble:
                one.state, one.ended = "CANCELLED", time.time()
            elif not self._start(one):
                trouble, code = one.why, _NOT_FOUND
        if trouble:
            say(trouble)
            self._fail(trouble, code)
        self._show()

    def _link(self) -> str:
        """Link the volumes into the workspace, as on one machine; what is wrong, or nothing."""
        try:
            return link_volumes(self._gang.volumes, self._gang.workspace)
        except OSError as exc:
            return f"links to the volumes cannot be made: {exc.strerror}."

    def _start(self, one: Replica) -> bool:
        env = environment(self._gang, one.place, os.environ)
        write = self._output.open(one)
        try:
            workspace = str(self._gang.workspace)
            one.process = start(self._program, env=env, output=write, cwd=workspace)
        except (OSError, ValueError) as exc:
            why = f"{exc.strerror}: {exc.filename}" if isinstance(exc, OSError) else str(exc)
            one.cannot_start(why, time.time())
            return False
        finally:
            os.close(write)
        one.pid, one.started = one.process, time.time()
        return True

    def _wait(self) -> None:
        """Wait for what happens next, and do what is due."""
        dues = [self._due, self._next_look, self._usage.due, self._files.due]
        due = min((due for due in dues if due is not None), default=None)
        patience = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in self._selector.select(patience):
            if isinstance(key.data, Replica):
                self._output.pump(key.data)
            elif isinstance(key.data, Echo):
                key.data.go_on()
            else:
                self._hear()
        now = time.monotonic()
        if self._usage.due is not None and self._usage.due <= now:
            self._usage.look(self._replicas)
            self._show()
        if self._next_look is not None and self._next_look <= now:
            self._look_at_others()
        if self._due is not None and self._due <= now:
            self._due = None
            _send(self._running, signal.SIGKILL)
        if self._files.due is not None and self._files.due <= now:
            self._files.flush()

    def _hear(self) -> None:
        """Act on the signals that have come."""
        numbers = self._signals.read()
        if signal.SIGCHLD in numbers:
            self._collect()
        if numbers & {signal.SIGTERM, signal.SIGINT} and not self._asked:
            self._asked = True
            if chief_is_elsewhere(self._gang):
                self._tell_at = time.monotonic() + _CHIEFS_PART * self._gang.grace
            else:
                self._ask(self._gang.grace)
            self._look_at_others()

    def _collect(self) -> None:
        """Hear what has become of the processes."""
        codes, stops = changes()
        pids = {one.process: one for one in self._running}
        ended = [(pids[pid], code, peak) for pid, code, peak in codes if pid in pids]
        for one, _, peak in ended:  # All, before the first of them makes others end.
            one.process = None
            one.peak_memory = max(peak, one.peak_memory or 0) or None
        # One that a signal ended is the likely cause of errors in the others.
        for one, code, _ in sorted(ended, key=lambda each: each[1] >= 0):
            self._end(one, code)
        for pid, number in stops.items():
            if pid in pids and pids[pid].process:
                pids[pid].stopped = number
        self._show()

    def _end(self, one: Replica, code: int) -> None:
        told = "CANCELLED" if self._asked or self._failed else ""
        tail = self._output.tail(one)
        self._usage.settle(one, code, tail, told=bool(told))
        one.end(code, time.time(), tail, told=told)
        if one.oom and one.signal and one.state == "FAILED":
            one.why = out_of_memory(one)
        shown = 128 - code if code < 0 else code
        self._code = self._code or shown
        if one.state == "FAILED":
            self._fail(one.why, shown)
        elif one is self._saver:
            self._status.saved()
            if self._asked:
                self._ask(_REST)

    def _fail(self, reason: str, code: int) -> None:
        """The replica has failed, by the first of its processes that has."""
        self._failed, self._reason, self._code = True, reason, self._code or code
        self._status.fail(reason, code)
        self._ask(_FAILURE_GRACE)

    def _ask(self, grace: float) -> None:
        """Tell all to end: SIGTERM now, SIGKILL after so many seconds.

        SIGTERM comes once: a second one would disturb the save that the first has begun.
        """
        due = time.monotonic() + grace
        self._due = due if self._due is None else min(due, self._due)
        new = [one for one in self._running if one.rank not in self._told]
        self._told |= {one.rank for one in new}
        # One that is stopped cannot save; to all others SIGCONT says nothing.
        _send(new, signal.SIGTERM, signal.SIGCONT)

    def _look_at_others(self) -> None:
        """Once another pod has failed, or has saved for all, nobody waits for more of this one."""
        self._next_look = None
        if self._failed or not self._asked:
            return
        if self._status.gang_failed:
            self._ask(_FAILURE_GRACE)
        elif self._saver is None and has_saver(self._gang) and self._status.gang_saved:
            self._ask(_REST)
        else:
            if self._tell_at is not None and self._tell_at <= time.monotonic():
                self._tell_at = None
                self._ask((1 - _CHIEFS_PART) * self._gang.grace)
            self._next_look = time.monotonic() + _LOOK

    def _show(self) -> None:
        if self._running:
            self._status.show(self._replicas, self._reason)

    def _append(self, name: str, data: bytes) -> int:
        """Take bytes for a log, and for the pod's own: lines with their process if it has more."""
        merged = name == MERGED_LOG
        if merged == (self._gang.processes > 1):
            self._echo.write(data)
        attempt = str(self._gang.attempt)
        return self._files.add(data, ATTEMPTS, attempt, name, shared=merged)

    def _append_usage(self, line: bytes) -> None:
        self._files.add(line, USAGE, shared=True)


def _send(processes: Sequence[Replica], *numbers: int) -> None:
    for one in processes:
        for number in numbers:
            if one.process:  # Not reaped yet, so nobody else's number.
                os.kill(one.process, number)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python -m dllab_hub.runtime.launcher PROGRAM [ARGUMENT...]")
    sys.exit(main(sys.argv[1:]))
