"""`Starter`: gives waiting jobs their turn: in the order of the line, as far as there is room."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Collection, Iterator, Sequence

from ...errors import DLLabError, NoCapacity, StorageFull, Unavailable
from ...leases import LeaseDir
from ...specs import JobState
from ..order import line
from ..room import Room, cpu_wish
from .capacity import holders
from .disk import disk_errors
from .launch import Launcher
from .live import Live
from .rundir import Unreadable

__all__ = ("Starter",)

_LOG = logging.getLogger(__name__)
#: What this process or machine lacks just now; it says nothing of the job.
_PASSES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR}


class Starter:
    """Used by one thread. GPUs are held by locks; CPUs are counted anew for each turn.

    Args:
        leases: The GPUs' locks.
        launcher: Starts shims.
        cpus: How many CPUs the jobs that run may count for together.
    """

    def __init__(self, leases: LeaseDir, launcher: Launcher, cpus: float) -> None:
        self._leases = leases
        self._launcher = launcher
        self._cpus = cpus

    def start(self, lives: Collection[Live], gpus: Sequence[str]) -> Iterator[tuple[Live, str]]:
        """Start what fits; tell the others their place and why they wait.

        Args:
            lives: All that wait or run.
            gpus: UUIDs of all GPUs of this machine.

        Yields:
            Each that was started, with an empty text, and each that never can be, with the reason.
        """
        by_id = {live.id: live for live in lives}
        room = Room(len(gpus), (), self._cpus, ())
        position, measured = 0, False
        # One that was cancelled or paused stays here only while that cannot be written down.
        for ticket in line(live.ticket for live in lives if live.waits and not live.asked):
            live = by_id[ticket.id]
            if not measured:
                self._measure(room, lives, gpus)
            measured = True
            reason, failure = room.refusal(live.job, time.time() - ticket.since), ""
            if not reason:
                reason, failure = self._launch(live, gpus)
            if reason:
                position += 1
                live.wait(reason, position)
            else:
                measured = False  # It has taken some of it.
                yield live, failure

    def _measure(self, room: Room, lives: Collection[Live], gpus: Sequence[str]) -> None:
        room.held = tuple(holders(self._leases, gpus).values()) if gpus else ()
        room.busy = [
            (live.holder, cpu_wish(live.job.spec, self._cpus)) for live in lives if live.runs
        ]

    def _launch(self, live: Live, gpus: Sequence[str]) -> tuple[str, str]:
        """Start a job; else why it goes on waiting, or why it never can start."""
        job = live.job
        try:
            self._launcher.launch(live.folder, job, live.carried, gpus)
        except NoCapacity as exc:  # A lab was quicker.
            return f"waiting: {exc.message}", ""
        except DLLabError as exc:
            if isinstance(exc, StorageFull | Unavailable):  # Both pass.
                return f"waiting: {exc.message}", ""
            return "", exc.message
        except Unreadable as exc:
            return "", f"it could not be started: {exc}"
        except OSError as exc:
            try:
                with disk_errors():
                    raise
            except StorageFull as full:
                return f"waiting: {full.message}", ""
            except OSError:
                _LOG.error("%s could not be started.", job.id, exc_info=True)
                if exc.errno in _PASSES:
                    return f"waiting: it could not be started just now: {exc.strerror}.", ""
                return "", f"it could not be started: {exc.strerror}."
        update = {"state": JobState.RUNNING, "reason": "starting.", "started": time.time()}
        update |= {"attempt": live.carried.first_attempt, "position": None}
        live.job = job.model_copy(update=update)
        return "", ""
