"""What is true of one job now: decided from its objects and its files, and from nothing remembered.

Its JobSet says what goes on. One that is gone, though it was made, was removed by somebody or by
its time to live: then the files say how the job ended. While the cluster does not answer, what was
last seen stands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ...manifests.gang import FIRST_ATTEMPT
from ...manifests.pending import pending, pending_workload
from ...manifests.status import Observed, observed
from ...specs import JobState, TrainingJob
from ..local import readings
from ..local.asked import Asked
from ..local.carried import Carried
from ..local.checkpoints import newest_checkpoint
from ..local.jobdir import JobDir
from ..pausing import pause_reason
from .crew import began, blame, crew, last_end
from .ends import Told, newest_attempt, told
from .view import Seen

__all__ = ("Launched", "is_ours", "lingering", "look")

#: Seconds after which a pod that was to end is one that its node says no more of.
_GIVEN_UP = 120.0
_OVER = {"Succeeded", "Failed"}


@dataclass(frozen=True)
class Launched:
    """What is known of the launch of a job from before.

    Attributes:
        carried: From its launches before.
        asked: What people asked of it.
        tried: Whether its JobSet was asked for, so that it may be there though nobody has heard.
        made: Whether it was made.
        sure: Whether one that was asked for and is not among what is seen is not there: what is
            seen may be a moment old.
        seen_running: When it was last seen to run, seconds since the epoch: what its own files say
            of its end is not believed to have been before.
        trouble: Why it could not be made or removed, as a sentence, or empty.
        ended: State and sentence of an end that the service has decided on, or None.
    """

    carried: Carried
    asked: Asked = field(default_factory=Asked)
    tried: bool = False
    made: bool = False
    sure: bool = False
    seen_running: float = 0.0
    trouble: str = ""
    ended: tuple[JobState, str] | None = None

    @property
    def wanted(self) -> bool:
        """Whether its JobSet is to be there."""
        return not self.asked and self.ended is None


def is_ours(jobset: Mapping[str, Any] | None, carried: Carried) -> bool:
    """Whether a JobSet is that of this launch, and not of one before."""
    if jobset is None:
        return False
    notes = jobset["metadata"].get("annotations") or {}
    return bool(notes.get(FIRST_ATTEMPT, "1") == str(carried.first_attempt))


def lingering(pods: Iterable[Mapping[str, Any]], now: float) -> list[Mapping[str, Any]]:
    """Pods that may still run: not those whose node was given up."""
    return [
        pod
        for pod in pods
        if (pod.get("status") or {}).get("phase") not in _OVER and not _given_up(pod, now)
    ]


def look(folder: JobDir, job: TrainingJob, launched: Launched, seen: Seen) -> TrainingJob:
    """The job as it is; ``job`` is what was known before.

    Args:
        folder: Of the job.
        job: As last seen.
        launched: Its launch.
        seen: Its objects.
    """
    now = time.time()
    since = launched.carried.since
    ours = seen.jobset if is_ours(seen.jobset, launched.carried) else None
    if not launched.made and ours is None:
        return _not_started(job, launched, seen, now)
    if ours is not None:
        found = observed(ours, seen.pods, job.spec)
        found = replace(found, attempt=found.attempt + launched.carried.first_attempt - 1)
    else:
        number = newest_attempt(folder.run, launched.carried.first_attempt)
        found = Observed(job.state, "", number or max(job.attempt, 1), ())
    files = told(folder.run, job.spec, found.attempt)
    replicas = crew(job.spec, found, files, since, now)
    job = job.model_copy(
        update={
            "attempt": max(found.attempt, job.attempt, 1),
            "replicas": replicas or job.replicas,
            "started": job.started or began(replicas, since, found.state),
            "progress": readings.progress(folder.run, job.spec) or job.progress,
            "checkpoint": newest_checkpoint(folder.run),
            "position": None,
        }
    )
    if ours is not None and _has_ended(ours, found, launched):
        when = max(last_end(replicas) or found.ended or now, launched.seen_running)
        if found.state is JobState.FAILED and files:
            relaunched = job.attempt - launched.carried.first_attempt
            found = replace(found, reason=blame(job.replicas, relaunched) or found.reason)
        return _ended(_ran(job, launched, when), found.state, found.reason, when)
    if not launched.wanted:
        return _ending(job, launched, seen, now)
    if ours is None and seen.live and launched.sure:
        return _gone(job, launched, files, now)
    if not seen.live or ours is None:
        old = f"this is what was last seen: {seen.trouble}"
        return job.model_copy(update={"reason": old} if seen.trouble else {})
    return _going_on(job, ours, found, seen)


def _going_on(
    job: TrainingJob, ours: Mapping[str, Any], found: Observed, seen: Seen
) -> TrainingJob:
    """It waits or runs, and why."""
    update: dict[str, Any] = {"state": found.state, "reason": found.reason, "diagnosis": None}
    if found.state is JobState.PENDING and job.state.is_running:
        # A late word of the cluster's, or its queue's: a job that ran does not wait again.
        update["state"] = JobState.RESTARTING
    if found.state is not JobState.RUNNING:
        place = seen.place
        if (ours.get("spec") or {}).get("suspend"):  # Kueue has not let it go.
            why = pending_workload(place.workload, place.before) if place else None
            before = place.before if place else None
            update["position"] = None if before is None else before + 1
        else:
            why = pending(seen.pods, seen.events, job.spec)
        update |= {"reason": why.message if why else found.reason, "diagnosis": why}
    return job.model_copy(update=update)


def _has_ended(ours: Mapping[str, Any], found: Observed, launched: Launched) -> bool:
    """Whether it has come to an end that is its own, whatever was asked of it meanwhile."""
    if found.state is JobState.SUCCEEDED:
        return True
    removed = ours["metadata"].get("deletionTimestamp") is not None
    return found.state is JobState.FAILED and (launched.wanted or not removed)


def _not_started(job: TrainingJob, launched: Launched, seen: Seen, now: float) -> TrainingJob:
    if not launched.wanted:
        if launched.tried and not launched.sure:
            reason = launched.trouble or launched.asked.doing or "being ended."
            return job.model_copy(update={"reason": reason})
        if launched.ended is not None:
            return _ended(job, *launched.ended, now)
        return _not_begun(job, launched, now)
    reason = ""
    if seen.trouble:
        reason = f"it starts when it can: {seen.trouble}"
    elif launched.trouble:
        reason = f"it starts when it can: {launched.trouble}"
    elif seen.live and lingering(seen.pods, now):
        reason = "the pods of its last launch are still ending."
    elif seen.live and seen.jobset is not None:
        reason = "the objects of its last launch are still being removed."
    return job.model_copy(update={"reason": reason}) if reason else job


def _not_begun(job: TrainingJob, launched: Launched, now: float) -> TrainingJob:
    state = JobState.CANCELLED if launched.asked.cancelled_by else JobState.PAUSED
    by = launched.asked.cancelled_by or launched.asked.paused_by
    return _ended(job, state, f"{state.value.lower()} by {by} before it started.", now)


def _ending(job: TrainingJob, launched: Launched, seen: Seen, now: float) -> TrainingJob:
    """It was asked to end: it has when nothing of it is left."""
    there = seen.jobset is not None and not _all_given_up(seen, now)
    if there or lingering(seen.pods, now) or not (seen.live and launched.sure):
        state = job.state if job.state.is_running else JobState.PENDING
        reason = launched.trouble or launched.asked.doing or "being ended."
        return job.model_copy(update={"state": state, "reason": reason})
    # It may have been over for hours when somebody looks.
    job = _ran(job, launched, max(last_end(job.replicas) or now, launched.seen_running))
    if launched.ended is not None:
        return _ended(job, *launched.ended, now)
    if job.started is None:
        return _not_begun(job, launched, now)
    if launched.asked.cancelled_by:
        reason = f"cancelled by {launched.asked.cancelled_by}."
        return _ended(job, JobState.CANCELLED, reason, now)
    # The others are not waited for once the one has ended that saves for all.
    saver = None if job.spec.strategy == "custom" else readings.leader(job.spec)
    killed = any(one.signal == "SIGKILL" and saver in (None, one.name) for one in job.replicas)
    by = launched.asked.paused_by
    reason = pause_reason(by, job.progress, job.checkpoint, killed=killed)
    return _ended(job, JobState.PAUSED, reason, now)


def _gone(
    job: TrainingJob, launched: Launched, files: Mapping[tuple[str, int], Told], now: float
) -> TrainingJob:
    """Its objects are not there any more: what its replicas have written down counts."""
    when = max(last_end(job.replicas) or now, launched.seen_running)
    ran = _ran(job, launched, when)
    roles = [role for role in job.spec.roles if role.name == job.spec.ends_with] or job.spec.roles
    decides = [(role.name, index) for role in roles for index in range(role.replicas)]
    if all(key in files and files[key].over and files[key].code == 0 for key in decides):
        return _ended(ran, JobState.SUCCEEDED, "", when)
    if any(one.over and one.code for one in files.values()):
        relaunched = job.attempt - launched.carried.first_attempt
        return _ended(ran, JobState.FAILED, blame(job.replicas, relaunched), when)
    reason = "somebody has removed its objects from the cluster, so how it ended is not known."
    return _ended(ran, JobState.LOST, reason, when)


def _ran(job: TrainingJob, launched: Launched, when: float) -> TrainingJob:
    if job.started is None:
        return job
    ran = launched.carried.ran + max(when - job.started, 0.0)
    return job.model_copy(update={"ran": ran})


def _ended(job: TrainingJob, state: JobState, reason: str, when: float) -> TrainingJob:
    if state is JobState.SUCCEEDED:
        role = job.spec.ends_with
        reason = f"every replica{f' of the role {role}' if role else ''} returned 0."
    reason = reason or "no reason given."
    over = JobState.CANCELLED if state is JobState.PAUSED else state
    replicas = tuple(
        one if one.state.is_terminal else one.model_copy(update={"state": over, "ended": when})
        for one in job.replicas
    )
    when = max(when, job.started or when)
    update = {"state": state, "reason": reason, "replicas": replicas, "ended": when}
    return job.model_copy(update={**update, "position": None, "silent_since": None})


def _all_given_up(seen: Seen, now: float) -> bool:
    return bool(seen.pods) and all(_given_up(pod, now) for pod in seen.pods)


def _given_up(pod: Mapping[str, Any], now: float) -> bool:
    since = pod["metadata"].get("deletionTimestamp")
    # It is set to when its grace is over.
    return bool(since) and now - datetime.fromisoformat(since).timestamp() > _GIVEN_UP
