"""What became of a deployment on a cluster: a pure function of its Deployments, pods and events.

Nothing is remembered between two looks. The words and states are those of one machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..specs import (
    Deployment,
    DeploymentReplica,
    DeploymentState,
    Diagnosis,
    ReplicaState,
    VersionTraffic,
)
from .events import seconds, time_of
from .model_replica import is_over, replica, version_of
from .refusals import of_refusal
from .served import CANARY, STABLE, TRACK_LABEL, Served
from .serving_cluster import ServingCluster
from .serving_limits import how_it_scales
from .wish import Wish

__all__ = ("observed",)

_Object = Mapping[str, Any]
#: What explains more comes first.
_TROUBLED = {ReplicaState.FAILED: 0, ReplicaState.RESTARTING: 1, ReplicaState.STARTING: 2}


def observed(
    served: Served,
    cluster: ServingCluster,
    deployments: Iterable[_Object],
    pods: Iterable[_Object],
    events: Iterable[_Object] = (),
) -> Deployment:
    """Look at a deployment.

    Args:
        served: What was wished for last.
        cluster: Where it runs.
        deployments: Those of it, as the API server has them, in any order; others are left out.
        pods: As with ``deployments``.
        events: About its pods, in any order; others are left out.
    """
    works = {_track(one): one for one in deployments if _is_mine(one, served)}
    told = sorted(events, key=time_of)
    mine = sorted((one for one in pods if _is_mine(one, served) and version_of(one)), key=_age)
    # A canary that is over has replicas as long as they answer their last requests.
    seen = {
        track: [replica(pod, told, served.spec) for pod in _alive(mine, track)]
        for track in (STABLE, CANARY)
    }
    everything = [one for several in seen.values() for one in several]
    answer = [one for one in everything if one.state is ReplicaState.READY]
    work = works.get(STABLE, {})
    wished = _wished(work, served)
    state, reason = _state(served, work, seen, wished)
    return Deployment(
        name=served.spec.name,
        owner=served.owner,
        spec=served.spec,
        version=served.model.version,
        state=state,
        reason=reason,
        replicas=tuple(everything),
        ready=len(answer),
        wished=wished,
        canary=served.canary,
        previous=served.previous,
        versions=_versions(served, seen),
        warning=_warning(served, cluster),
        created=served.created,
        updated=served.updated,
    )


def _state(
    served: Served,
    work: _Object,
    seen: Mapping[str, Sequence[DeploymentReplica]],
    wished: int,
) -> tuple[DeploymentState, str]:
    if (work.get("metadata") or {}).get("deletionTimestamp"):
        return DeploymentState.DELETING, "it answers its last requests."
    here = seen[STABLE]
    answer = [one for several in seen.values() for one in several if _is_ready(one)]
    if work and not wished and not answer:
        return DeploymentState.IDLE, "no replica runs: the next request starts one."
    version = served.model.version
    rolls = (
        _is_late(work)
        or _rolls(work)
        or any(_is_ready(one) and one.version != version for one in here)
    )
    current = sum(_is_ready(one) and one.version == version for one in here)
    if work and current >= wished and not rolls:
        return DeploymentState.READY, _canary(served, seen)
    trouble, failed = _trouble(here, work, served)
    if answer:
        if _is_late(work):
            return DeploymentState.DEGRADED, "the cluster takes up what was wished for last."
        if rolls:
            progress = f"version {version} answers with {_updated(work, current)} of {wished} "
            return DeploymentState.DEGRADED, f"{progress}replicas. {trouble}".rstrip()
        progress = f"{current} of {wished} replicas answer."
        return DeploymentState.DEGRADED, f"{progress} {trouble}".rstrip()
    if failed:
        return DeploymentState.FAILED, trouble
    return DeploymentState.STARTING, trouble or "the first replica starts."


def _rolls(work: _Object) -> bool:
    """Whether pods of before are still to be replaced, such as ones with fewer GPUs."""
    status = work.get("status") or {}
    return int(status.get("updatedReplicas") or 0) < int(status.get("replicas") or 0)


def _is_late(work: _Object) -> bool:
    """Whether what the Deployment says of itself is about another wish than the last."""
    seen = (work.get("status") or {}).get("observedGeneration") or 0
    return int(seen) < int(_meta(work, "generation") or 0)


def _updated(work: _Object, current: int) -> int:
    """Of those of the version, how many answer that are as wished for, as far as is known."""
    return min(current, int((work.get("status") or {}).get("updatedReplicas") or 0))


def _trouble(
    replicas: Sequence[DeploymentReplica], work: _Object, served: Served
) -> tuple[str, bool]:
    """What explains most why it is not as wished for, and whether that is a failure."""
    troubled = sorted(
        (one for one in replicas if one.state in _TROUBLED), key=lambda one: _TROUBLED[one.state]
    )
    refused = _refused(work, served)
    if refused and not any(one.state is ReplicaState.FAILED for one in troubled):
        return refused.message, refused.final
    if not troubled:
        return "", False
    return _named(troubled[0]), troubled[0].state is ReplicaState.FAILED


def _refused(work: _Object, served: Served) -> Diagnosis | None:
    """Why the cluster makes no pods, such as a quota that is used up; None where it does."""
    for one in (work.get("status") or {}).get("conditions") or ():
        if one.get("type") == "ReplicaFailure" and one.get("status") == "True":
            wish = Wish.of_deployment(served.spec)
            return of_refusal(str(one.get("message") or ""), wish, retried=True)
    return None


def _canary(served: Served, seen: Mapping[str, Sequence[DeploymentReplica]]) -> str:
    """Why the canary does not answer; empty where it does, or there is none."""
    if served.canary is None:
        return ""
    there = seen[CANARY]
    if any(map(_is_ready, there)):
        return ""
    troubled = sorted(
        (one for one in there if one.state in _TROUBLED), key=lambda one: _TROUBLED[one.state]
    )
    why = _named(troubled[0]) if troubled else "its replica starts."
    return f"the canary, version {served.canary.version}, does not answer yet: {why}"


def _named(one: DeploymentReplica) -> str:
    return one.reason if one.reason.startswith(one.name) else f"{one.name}: {one.reason}"


def _versions(
    served: Served, seen: Mapping[str, Sequence[DeploymentReplica]]
) -> tuple[VersionTraffic, ...]:
    """Those that get requests, the canary's last; during a roll, by the replicas that answer."""
    version = served.model.version
    asked = seen[STABLE] if served.canary is None else [*seen[STABLE], *seen[CANARY]]
    ready = Counter(one.version for one in asked if _is_ready(one))
    if served.canary is not None:
        part = served.canary.percent
        percent = {version: 100 - part, served.canary.version: part}
    else:
        others = sorted(set(ready) - {version})
        shares = {each: round(100 * ready[each] / ready.total()) for each in others}
        percent = {**shares, version: 100 - sum(shares.values())}
    return tuple(
        VersionTraffic(version=each, percent=part, ready=ready[each])
        for each, part in percent.items()
    )


def _warning(served: Served, cluster: ServingCluster) -> str:
    """What is to be known of what it serves, and of how it scales."""
    models = [track.model.warning for track in served.tracks]
    told = [*models, how_it_scales(served, cluster)]
    return " ".join(dict.fromkeys(text for text in told if text))


def _alive(pods: Sequence[_Object], track: str) -> list[_Object]:
    """Those of a track, oldest first; of those that are over, the newest while none came after."""
    here = [pod for pod in pods if _track(pod) == track]
    return [pod for pod in here if not is_over(pod) or pod is here[-1]]


def _wished(work: _Object, served: Served) -> int:
    """By the autoscaler's word where there is one, else as the wish says."""
    if served.spec.autoscale is None or served.scaled is not None:
        return served.tracks[0].replicas
    said = (work.get("spec") or {}).get("replicas")
    return served.spec.autoscale.min if said is None else int(said)


def _is_ready(one: DeploymentReplica) -> bool:
    return one.state is ReplicaState.READY


def _is_mine(made: _Object, served: Served) -> bool:
    """By its labels, and by the annotation, which holds the whole of the person's name."""
    labels = _meta(made, "labels") or {}
    notes = _meta(made, "annotations") or {}
    return served.labels.items() <= labels.items() and served.notes.items() <= notes.items()


def _track(made: _Object) -> str:
    return str((_meta(made, "labels") or {}).get(TRACK_LABEL, ""))


def _age(made: _Object) -> tuple[float, str]:
    """When it was made, and its name, which decides between those of one second."""
    return seconds(_meta(made, "creationTimestamp") or ""), str(_meta(made, "name") or "")


def _meta(made: _Object, key: str) -> Any:
    return (made.get("metadata") or {}).get(key)
