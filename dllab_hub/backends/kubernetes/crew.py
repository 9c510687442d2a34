"""`crew`: every process of an attempt, from how its pod is and from what it wrote of itself.

What a job writes lies where its code can write too. It says why, and when within a second; how a
replica is, and about when, the cluster says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ...manifests.status import Observed
from ...shim.tracebacks import exception_of, is_collateral
from ...specs import JobState, ReplicaStatus, TrainingSpec
from .ends import Told

__all__ = ("began", "blame", "crew", "first_failure", "last_end")

_ENDED_BY_POD = ("state", "exit_code", "signal", "ended", "oom")


def crew(
    spec: TrainingSpec,
    found: Observed,
    files: Mapping[tuple[str, int], Told],
    since: float,
    now: float,
) -> tuple[ReplicaStatus, ...]:
    """All that are known of, role by role.

    Args:
        spec: The wish.
        found: What the objects say, with the number of the attempt as the job counts.
        files: What the replicas have written in that attempt.
        since: When this launch began to wait, seconds since the epoch: nothing was before.
        now: Nothing was after.
    """
    pods = {(one.role, one.index): one for one in found.replicas}
    made: list[ReplicaStatus] = []
    for role in spec.roles:
        for index in range(role.replicas):
            pod, own = pods.get((role.name, index)), files.get((role.name, index))
            if pod is not None:
                pod = pod.model_copy(update={"attempt": found.attempt})
            if own is not None and own.processes:
                made += [_process(one, pod, since, now) for one in own.processes]
            elif pod is not None:
                made.append(pod)
    return tuple(made)


def began(replicas: Iterable[ReplicaStatus], since: float, state: JobState) -> float | None:
    """From when the job counts as running: all of it, since a part of a gang can only wait.

    Args:
        replicas: All that are known of.
        since: As in `crew`: a cluster tells whole seconds, which may seem too early.
        state: Of the job.
    """
    times = [one.started for one in replicas if one.started is not None]
    if not times or not (state.is_terminal or state is JobState.RUNNING):
        return None
    return max(min(times) if state.is_terminal else max(times), since)


def last_end(replicas: Iterable[ReplicaStatus]) -> float | None:
    """When the last of them ended; None while none has."""
    return max((one.ended for one in replicas if one.ended is not None), default=None)


def first_failure(files: Mapping[tuple[str, int], Told]) -> str:
    """About the process that failed first, in its own words; empty when none has said any."""
    return blame([one for told in files.values() for one in told.processes], 0)


def blame(replicas: Sequence[ReplicaStatus], relaunched: int) -> str:
    """About the process that failed first; empty when none has.

    Args:
        replicas: All processes.
        relaunched: How often all of them were, in this launch.
    """
    failed = [one for one in replicas if one.state is JobState.FAILED]
    if not failed:
        return ""
    # Those that only lost another one may have ended first: a process takes its time to end.
    own = [one for one in failed if not is_collateral(one.traceback)]
    first = min(own or failed, key=lambda one: one.ended or 0.0)
    if first.oom:
        why = f"{first.name} used more memory than it may, and was killed."
    elif first.signal:
        why = f"{first.name} was ended by {first.signal}."
    else:
        last = exception_of(first.traceback)
        why = f"{first.name} exited with code {first.exit_code}{': ' + last if last else ''}."
    if not relaunched:
        return why
    return f"{why} It was relaunched {'once' if relaunched == 1 else f'{relaunched} times'} before."


def _process(
    one: ReplicaStatus, pod: ReplicaStatus | None, since: float, now: float
) -> ReplicaStatus:
    if pod is not None and pod.state.is_terminal and not one.state.is_terminal:
        # Its pod was killed: it could not say so itself.
        one = one.model_copy(update={name: getattr(pod, name) for name in _ENDED_BY_POD})
    earliest = since if pod is None or pod.started is None else max(pod.started, since)
    latest = now if pod is None or pod.ended is None else min(pod.ended + 1.0, now)
    started = _within(one.started, earliest, latest)
    ended = _within(one.ended, earliest if started is None else started, latest)
    return one.model_copy(update={"started": started, "ended": ended})


def _within(when: float | None, earliest: float, latest: float) -> float | None:
    if when is None or math.isnan(when):
        return None
    return max(min(when, latest), earliest)
