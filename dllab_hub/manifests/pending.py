"""Why not all replicas of a training job run: `pending`, from its pods and events.

One reason is told, that of most weight: what waiting cannot help, then what has ended, then what is
waited for. `pending_workload` does the same for a job that Kueue has not let go yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..specs import Cause, Diagnosis, Remedy, TrainingSpec
from .endings import condition, of_disruption
from .events import about, reason_of, seconds, text_of, time_of
from .gang import role_name
from .kueue import pending_workload
from .mounting import BAD_CONTAINER, MOUNTING, SANDBOX, of_container, of_mount, of_sandbox
from .pulling import PULLING, is_pull, of_pull
from .refusals import of_refusal
from .replica import crashing, ended
from .scheduling import PLACING, scheduling
from .wish import Wish

__all__ = ("Found", "about_pod", "of_pod", "pending", "pending_workload")

_ROLE = "jobset.sigs.k8s.io/replicatedjob-name"
_RESTARTS = "jobset.sigs.k8s.io/restart-attempt"
_INDEX = "batch.kubernetes.io/job-completion-index"
#: Events of a Job or a JobSet that could not make what it should.
_REFUSED = {
    "FailedCreate", "JobCreationFailed", "HeadlessServiceCreationFailed", "PVCCreationFailed",
}  # fmt: skip
_MADE = {"SuccessfulCreate", "JobCreationSucceeded"}
#: How a container ends that has never run.
_NOT_STARTED = {"StartError", "ContainerCannotRun"}
_WAIT = (Remedy.WAIT, Remedy.CANCEL)


@dataclass(frozen=True)
class Found:
    """About one replica.

    Attributes:
        weight: A lower one is told first.
        name: Of the replica.
        diagnosis: What is the matter with it.
        since: When it ended, seconds since the epoch; 0 where it has not.
    """

    weight: int
    name: str
    diagnosis: Diagnosis
    since: float = 0.0


def pending(
    pods: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    spec: TrainingSpec,
) -> Diagnosis | None:
    """The most important reason, or None when none is known.

    Args:
        pods: Of this job, of any attempt, as the API server has them.
        events: About its pods, its Jobs and its JobSet, in any order; others are left out.
        spec: The wish.
    """
    roles = {role_name(spec, number): role.name for number, role in enumerate(spec.roles)}
    # A pod that somebody else has labelled so is none of the job's.
    known = [pod for pod in pods if _label(pod, _ROLE) in roles]
    newest = max((_attempt(pod) for pod in known), default=0)
    here = [pod for pod in known if _attempt(pod) == newest]
    told = sorted(events, key=time_of)
    found = []
    for pod in here:
        role = roles[_label(pod, _ROLE)]
        name = f"{role}-{_label(pod, _INDEX) or 0}"
        if one := of_pod(pod, about_pod(told, pod), name, Wish.of_role(spec, role)):
            found.append(one)
    if len(here) < spec.replicas and (refused := _refused(told, known)):
        found.append(refused)
    if not found:
        return None
    first = min(found, key=lambda one: (one.weight, one.since))
    return _say(first, [one for one in found if _is_same(one, first)], spec)


def of_pod(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], name: str, wish: Wish
) -> Found | None:
    """What is the matter with one pod, or None.

    Args:
        pod: As the API server has it.
        events: About this pod, oldest first; see `about_pod`.
        name: Of the replica, for sentences.
        wish: Whose pod it is.
    """
    status = pod.get("status") or {}
    if status.get("phase") == "Succeeded":
        return None
    if lost := of_disruption(pod, wish, name):
        # Who is only told to end because another one was, has no such condition.
        return Found(1, name, lost)
    own = status.get("containerStatuses") or ()
    for container in (*(status.get("initContainerStatuses") or ()), *own):
        state = container.get("state") or {}
        over = state.get("terminated") or {}
        if over.get("reason") in _NOT_STARTED:
            made = of_container(str(over.get("message") or ""), wish)
            return _weighed(made, name, 2)
        if over.get("exitCode"):
            made, asked = ended(over, name)
            return Found(2 + asked, name, made, seconds(over.get("finishedAt") or ""))
        waiting = state.get("waiting") or {}
        reason, text = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
        if reason == "CrashLoopBackOff":
            return _weighed(crashing(container, name), name, 2)
        if reason in PULLING:
            pulls = [text_of(e) for e in events if is_pull(reason_of(e), text_of(e))]
            return _weighed(of_pull(" ".join([f"{reason}: {text}", *pulls[-1:]]), wish), name, 4)
        if reason in BAD_CONTAINER:
            return _weighed(of_container(text, wish), name, 4)
    if own and all((container.get("state") or {}).get("running") for container in own):
        return None
    waits = _placing(pod, events, wish) or _starting(events, wish)
    if waits is None:
        return None
    return _weighed(waits, name, 6 if waits.cause is Cause.STARTING else 5)


def _placing(
    pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], wish: Wish
) -> Diagnosis | None:
    """Why no machine was found; None when one was."""
    placed = condition(pod, "PodScheduled")
    if placed.get("status") == "True" or (pod.get("spec") or {}).get("nodeName"):
        return None
    if placed.get("reason") == "SchedulingGated":
        return Diagnosis(
            cause=Cause.QUOTA,
            message="The cluster's queue has not let it go yet.",
            remedies=_WAIT,
        )
    said = [event for event in events if reason_of(event) in PLACING]
    if placed.get("reason") == "Unschedulable":
        # The scheduler keeps this up to date, while events are lost after an hour.
        newest = {"reason": "FailedScheduling", "message": placed.get("message") or ""}
        said = [newest, *(e for e in said if reason_of(e) != "FailedScheduling")]
    return scheduling(said, wish).diagnosis


def _starting(events: Sequence[Mapping[str, Any]], wish: Wish) -> Diagnosis | None:
    """What a machine is busy with, or what it cannot do, before the container runs."""
    found = None
    for event in events:
        reason, text = reason_of(event), text_of(event)
        if reason in MOUNTING:
            found = of_mount(text, wish)
        elif reason in SANDBOX:
            found = of_sandbox(text, wish)
        elif is_pull(reason, text):
            found = of_pull(text, wish)
        elif reason == "Pulling":
            found = Diagnosis(
                cause=Cause.STARTING,
                message="The image is being downloaded; the first time on a machine this takes "
                "minutes.",
                remedies=_WAIT,
            )
        elif reason in {"SuccessfulAttachVolume", "Scheduled", "Pulled", "Started"}:
            found = None
    return found


def _refused(
    events: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]
) -> Found | None:
    """Why pods are missing. What was said before the newest pod was made is out of date."""
    made = max((_created(pod) for pod in pods), default=0.0)
    latest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for event in events:
        kind, name, _ = about(event)
        if kind in {"Job", "JobSet"} and reason_of(event) in _REFUSED | _MADE:
            latest[kind, name] = event
    said = [
        event
        for event in latest.values()
        if reason_of(event) in _REFUSED and time_of(event) >= made
    ]
    if not said:
        return None
    # A Job and a JobSet create again whatever was refused, some time later.
    newest = of_refusal(text_of(said[-1]), Wish("job"), retried=True)
    return Found(0 if newest.final else 3, "", newest)


def _say(first: Found, same: Sequence[Found], spec: TrainingSpec) -> Diagnosis:
    """Name the replicas that it is about, where that helps."""
    said, names = first.diagnosis, [one.name for one in same if one.name]
    if said.replica or not names:
        return said
    about = {"replica": names[0]} if len(names) == 1 else {}
    if spec.replicas == 1 or said.cause is Cause.IMAGE_PULL or first.name in said.message:
        return said.model_copy(update=about)
    if len(names) == 1:
        who = f"{names[0]} of {spec.replicas} waits"
    elif len(names) == spec.replicas:
        who = f"All {spec.replicas} replicas wait"
    else:
        who = f"{len(names)} of {spec.replicas} replicas wait"
    message = f"{who}: {said.message[:1].lower()}{said.message[1:]}"
    return said.model_copy(update={"message": message, **about})


def _is_same(one: Found, other: Found) -> bool:
    return (one.weight, one.diagnosis.cause, one.diagnosis.message) == (
        other.weight,
        other.diagnosis.cause,
        other.diagnosis.message,
    )


def _weighed(diagnosis: Diagnosis, name: str, weight: int) -> Found:
    return Found(0 if diagnosis.final else weight, name, diagnosis)


def about_pod(
    events: Sequence[Mapping[str, Any]], pod: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """Those of the events that are about this pod."""
    meta = pod.get("metadata") or {}
    mine = []
    for event in events:
        kind, name, uid = about(event)
        # An earlier attempt's pod can have had the same name.
        is_other = uid and meta.get("uid") and uid != meta["uid"]
        if kind in {"Pod", ""} and name == meta.get("name") and not is_other:
            mine.append(event)
    return mine


def _attempt(pod: Mapping[str, Any]) -> int:
    number = _label(pod, _RESTARTS)
    return int(number) if number.isdecimal() else 0


def _created(pod: Mapping[str, Any]) -> float:
    return seconds((pod.get("metadata") or {}).get("creationTimestamp") or "")


def _label(pod: Mapping[str, Any], name: str) -> str:
    return str(((pod.get("metadata") or {}).get("labels") or {}).get(name, ""))
