"""`Followed`: one job whose curves are read: what it reports, writes as event files, and uses."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ....specs import Curve, Curves, JobState, Progress, ReplicaStatus, TrainingJob
from ....specs.curve import MAX_POINTS
from ...replicas import replica_names
from ..jobdir import JobDir
from ..readings import leader
from .eventdir import EventDirs
from .events import Events
from .pace import Pace, stragglers
from .reports import Reports
from .usage import Usage

__all__ = ("Followed", "Kind")

Kind = Literal["metrics", "usage", "all"]
#: Points of all curves of one answer; it may have fewer of each than `MAX_POINTS`.
_MOST_POINTS = 100_000
_FEWEST_POINTS = 50
#: Seconds between two writes to an event file: PyTorch's and TensorFlow's writers take two minutes.
_FLUSHED = 180.0
#: Points of a curve that tell the speed.
_RECENT = 64
#: Metrics that a `Progress` made from event files has.
_MOST_METRICS = 50


class Followed:
    """Any thread may use it; one at a time gets to it.

    Args:
        job: As it was last seen.
        folder: Its directory.
    """

    def __init__(self, job: TrainingJob, folder: JobDir) -> None:
        self.job = job
        self.caught_up = False
        self._lock = threading.Lock()
        stems = {
            f"{role.name}-{index}" for role in job.spec.roles for index in range(role.replicas)
        }
        self._reports = Reports(folder.run, replica_names(job.spec))
        self._usage = Usage(folder.run, stems)
        self._events = Events(EventDirs(Path(job.tensorboard), folder.run, job.created))
        self._pace = Pace(_FLUSHED)  # By event files.

    @property
    def lives(self) -> bool:
        """Whether more may come."""
        return self.job.state.is_running

    def refresh(self, seconds: float) -> bool:
        """Read for about so many seconds what is new; whether that was all."""
        deadline = time.monotonic() + seconds
        with self._lock:
            # All of them each time: a large event file keeps nothing else waiting.
            done = self._reports.read(deadline)
            done = self._usage.read(deadline) and done
            done = self._events.read(deadline) and done
            self.caught_up = done
            furthest = self._events.furthest(_begun(self.job))
            if furthest and (last := furthest.last):
                for moment, step in zip(
                    furthest.times[-_RECENT:], furthest.steps[-_RECENT:], strict=True
                ):
                    self._pace.add(moment, step)
                self._pace.add(last[1], last[0])
            return done

    def curves(self, kind: Kind, points: int = _MOST_POINTS) -> Curves:
        """What is known by now.

        Args:
            kind: Which.
            points: Of all curves together; each has `MAX_POINTS` at most.
        """
        with self._lock:
            reports = self._reports.snapshots() if kind != "usage" else []
            events = self._events.snapshots() if kind != "usage" else []
            usage = self._usage.snapshots() if kind != "metrics" else []
            notes = (*self._reports.notes, *self._events.notes) if kind != "usage" else ()
            done, total = self._events.size
            read = 1.0 if self.caught_up else min(done / max(total, 1), 0.999)
        count = len(reports) + len(events) + len(usage)
        most = max(_FEWEST_POINTS, min(MAX_POINTS, points // max(count, 1)))
        curves: list[Curve] = []
        for name, replica, line in reports:
            curves.append(line.curve(name, "report", replica=replica, most=most))
        for run, tag, line in events:
            curves.append(line.curve(tag, "tensorboard", run=run, most=most))
        for source, name, replica, line in usage:
            curves.append(line.curve(name, source, replica=replica, stepped=False, most=most))
        curves.sort(key=lambda curve: (curve.name, curve.replica, curve.run))
        return Curves(curves=tuple(curves), read=read, notes=notes)

    def known(self, job: TrainingJob) -> TrainingJob:
        """The job with what is known of its speed and use."""
        now = time.time()
        with self._lock:
            self.job = job
            begun = _begun(job)
            paces = self._paces(job, begun)
            slow = self._slow(job, paces, now)
            replicas = tuple(
                self._replica(one, paces.get(one.name), one.name in slow, now)
                for one in job.replicas
            )
            progress = self._progress(job, now)
        return job.model_copy(update={"replicas": replicas, "progress": progress})

    def _paces(self, job: TrainingJob, begun: float) -> Mapping[str, Pace]:
        """Of the processes that have reported in this attempt."""
        found = {}
        for one in job.replicas:
            pace = self._reports.paces.get(one.name)
            if pace is not None:
                pace.forget(one.started or begun)
                if pace.step is not None:
                    found[one.name] = pace
        self._pace.forget(begun)
        return found

    def _slow(self, job: TrainingJob, paces: Mapping[str, Pace], now: float) -> set[str]:
        slow: set[str] = set()
        if job.state is not JobState.RUNNING:
            return slow
        for role in {one.role for one in job.replicas}:
            runs = {
                one.name: paces[one.name]
                for one in job.replicas
                if one.role == role and one.name in paces and one.state is JobState.RUNNING
            }
            slow |= stragglers(runs, now)
        return slow

    def _replica(
        self, one: ReplicaStatus, pace: Pace | None, slow: bool, now: float
    ) -> ReplicaStatus:
        runs = one.state is JobState.RUNNING
        update: dict[str, object] = {"straggler": slow}
        if pace is not None:
            update |= {"step": pace.step, "rate": pace.rate(now) if runs else None}
        # Of a replica with several processes their sum is measured; each knows its own part.
        if one.process is None:
            stem = f"{one.role}-{one.index}"
            cpu, memory = self._usage.last(stem, one.started or 0.0)
            peaks = (self._usage.peak(stem, one.attempt), one.peak_memory)
            peak = max((most for most in peaks if most is not None), default=None)
            known = {"cpu": cpu, "memory": memory, "peak_memory": peak}
            update |= {key: value for key, value in known.items() if value is not None}
        return one.model_copy(update=update)

    def _progress(self, job: TrainingJob, now: float) -> Progress | None:
        progress = job.progress
        if progress is None or progress.source == "tensorboard":
            progress, pace = self._by_events(_begun(job)) or progress, self._pace
        else:
            pace = self._reports.paces.setdefault(leader(job.spec), Pace())
            pace.add(progress.time, progress.step)
        if progress is None:
            return None
        runs = job.state is JobState.RUNNING
        rate = pace.rate(now) if runs else None
        left = None if progress.total is None else max(progress.total - progress.step, 0)
        eta = left / rate if rate and left is not None else None
        interval = pace.interval if runs else None
        return progress.model_copy(update={"rate": rate, "eta": eta, "interval": interval})

    def _by_events(self, begun: float) -> Progress | None:
        lasts = self._events.lasts()
        if not lasts:
            return None
        # A curve that this attempt has not come to again is as far as the one before was.
        steps = [step for step, when, _ in lasts.values() if when >= begun]
        return Progress(
            step=max(steps or [step for step, _, _ in lasts.values()]),
            time=max(when for _, when, _ in lasts.values()),
            metrics={
                name: value
                for name, (_, _, value) in sorted(lasts.items())[:_MOST_METRICS]
                if math.isfinite(value)
            },
            source="tensorboard",
        )


def _begun(job: TrainingJob) -> float:
    """When its newest attempt was started, seconds since the epoch."""
    return max((one.started or 0.0 for one in job.replicas), default=0.0)
