"""What a cluster says while a pod starts, in plain words: events, the pod's status, refusals.

Kubernetes' own texts name nodes and registries and are written for its operators. They are kept as
`Diagnosis.log`; what people read first is a sentence of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..specs import Cause, Diagnosis, LabSpec, Remedy
from .packages import CONTAINER
from .scheduling import Scheduling, scheduling

__all__ = ("PLAIN", "diagnose", "refusal", "say")

_LINES, _LONGEST = 20, 300
_CRASH = (Remedy.RETRY, Remedy.CANCEL)
#: Reasons of events that are good news.
PLAIN = {
    "Scheduled": "A machine was found",
    "SuccessfulAttachVolume": "Storage is connected",
    "Pulling": "Downloading the image; the first time on a machine this takes minutes",
    "Pulled": "The image is there",
    "Created": "The container is made",
    "Started": "Starting Jupyter Server",
    "TriggeredScaleUp": "A machine is being added to the cluster, usually in 2 to 10 minutes",
}
#: What a registry says when asking again cannot help.
_NO_IMAGE = (
    "not found", "manifest unknown", "no match for platform", "does not exist", "name unknown",
)  # fmt: skip
_NO_ACCESS = ("unauthorized", "authorization failed", "denied", "forbidden", "authentication")
_PULLING = {"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"}
_BAD_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def say(event: Mapping[str, Any], spec: LabSpec) -> str | Diagnosis | None:
    """One event of a pod for the page that waits; None for what helps nobody.

    Args:
        event: As the API server sends it.
        spec: What was picked.
    """
    reason, text = event.get("reason", ""), event.get("message") or ""
    where = (event.get("involvedObject") or {}).get("fieldPath") or ""
    if where == f"spec.initContainers{{{CONTAINER}}}" and reason == "Started":
        return "Installing your packages, which can take minutes"
    if reason in PLAIN:
        return PLAIN[reason]
    if reason in {"FailedScheduling", "NotTriggerScaleUp"}:
        return scheduling([event], spec).diagnosis
    if reason in {"FailedMount", "FailedAttachVolume"}:
        return _volume(text)
    if reason == "Failed" and "image" in text.lower():
        return _image(text, spec)
    return None


def diagnose(
    events: Iterable[Mapping[str, Any]], pod: Mapping[str, Any] | None, spec: LabSpec
) -> Diagnosis | None:
    """What is in the way now, or None when nothing is known to be.

    Args:
        events: Of this pod since its start began, oldest first.
        pod: As the API server has it, or None when it does not yet.
        spec: What was picked.
    """
    placing = Scheduling()
    found, pulling = None, ""
    for event in events:
        reason, text = event.get("reason", ""), event.get("message") or ""
        if reason in {"FailedScheduling", "NotTriggerScaleUp", "TriggeredScaleUp"}:
            placing = placing.after(event, spec)
        elif reason == "Scheduled":
            placing, found = Scheduling(), None
        elif reason in {"FailedMount", "FailedAttachVolume"}:
            found = _volume(text)
        elif reason == "Failed" and "image" in text.lower():
            found, pulling = _image(text, spec), text
        elif reason in {"SuccessfulAttachVolume", "Pulled", "Started"}:
            found = None
    return _status(pod or {}, pulling, spec) or placing.diagnosis or found


def refusal(status: int, body: str) -> Diagnosis:
    """Why the API server did not take the pod or its storage.

    Args:
        status: HTTP status.
        body: What it answered: a Kubernetes ``Status``.
    """
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    text = str(said.get("message", "")) if isinstance(said, dict) else ""
    log = _lines(text)
    if "exceeded quota" in text:
        return Diagnosis(
            cause=Cause.QUOTA,
            message="This is more than the cluster's quota has left now.",
            hint="Pick less, or end a lab or job that you no longer need.",
            final=True,
            remedies=(Remedy.CPU, *_CRASH),
            log=log,
        )
    if status >= 500 or status == 429:
        return Diagnosis(
            cause=Cause.STARTING,
            message="The cluster does not answer as it should.",
            hint="Try again in a minute.",
            final=True,
            remedies=_CRASH,
            log=log,
        )
    return Diagnosis(
        cause=Cause.CRASHED,
        message="The cluster refuses this lab.",
        hint="Show this to the administrator.",
        final=True,
        remedies=_CRASH,
        log=log,
    )


def _status(pod: Mapping[str, Any], pulling: str, spec: LabSpec) -> Diagnosis | None:
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        return _evicted(status["reason"], status.get("message") or "")
    for container in (
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ):
        state, last = container.get("state") or {}, container.get("lastState") or {}
        waiting = state.get("waiting") or {}
        reason, text = waiting.get("reason") or "", waiting.get("message") or ""
        ended = state.get("terminated") or last.get("terminated")
        if ended and ended.get("exitCode") != 0 and container.get("name") == CONTAINER:
            return _packages(ended)
        is_lab = container.get("name") == "notebook"  # KubeSpawner's name for it.
        if ended and (is_lab or ended.get("exitCode") != 0):
            return _crashed(ended, spec)
        if reason == "InvalidImageName":
            return _image(f"not found: {text}", spec)
        if reason in _PULLING:
            return _image(f"{text} {pulling}", spec)
        if reason in _BAD_CONTAINER:
            return Diagnosis(
                cause=Cause.CRASHED,
                message="The container cannot be started.",
                hint="Show this to the administrator.",
                final=True,
                remedies=_CRASH,
                log=_lines(text),
            )
    return None


def _packages(ended: Mapping[str, Any]) -> Diagnosis:
    log = _lines(ended.get("message") or "")
    said = [line.removeprefix("ERROR: ") for line in log if line.startswith("ERROR: ")]
    return Diagnosis(
        cause=Cause.OUT_OF_MEMORY if ended.get("reason") == "OOMKilled" else Cause.CRASHED,
        message=f"Your packages cannot be installed: {said[0] if said else 'pip says no more.'}",
        hint="Check their names and versions.",
        final=True,
        remedies=_CRASH,
        log=log,
    )


def _crashed(ended: Mapping[str, Any], spec: LabSpec) -> Diagnosis:
    log = _lines(ended.get("message") or "")
    if ended.get("reason") == "OOMKilled":
        return Diagnosis(
            cause=Cause.OUT_OF_MEMORY,
            message="The lab needed more memory than it has, and was ended.",
            hint="Pick more memory.",
            final=True,
            remedies=_CRASH,
            log=log,
        )
    code = ended.get("exitCode")
    words = "had nothing to run" if code == 127 else f"ended while it started (exit code {code})"
    own = "Does the image contain JupyterLab and jupyterhub-singleuser?" if spec.custom else ""
    return Diagnosis(
        cause=Cause.CRASHED,
        message=f"The lab's server {words}.",
        hint=own or "Try again, or show this to the administrator.",
        final=True,
        remedies=_CRASH,
        log=log,
    )


def _evicted(reason: str, text: str) -> Diagnosis:
    full = "ephemeral-storage" in text or "DiskPressure" in text
    memory = "memory" in text
    cause = Cause.DISK_FULL if full else Cause.OUT_OF_MEMORY if memory else Cause.NO_NODE
    why = "The machine's disk is full" if full else "The machine ran out of memory"
    return Diagnosis(
        cause=cause,
        message=(
            f"{why}, and the lab was ended."
            if full or memory
            else "The machine that was found could not take the lab."
        ),
        hint="Try again: another machine may be found.",
        final=True,
        remedies=_CRASH,
        log=_lines(f"{reason}: {text}"),
    )


def _image(text: str, spec: LabSpec) -> Diagnosis:
    lower = text.lower()
    if "no space left on device" in lower:
        return Diagnosis(
            cause=Cause.DISK_FULL,
            message="The machine has no room for the image.",
            hint="It is tried again; the administrator can free space.",
            remedies=(Remedy.WAIT, Remedy.CANCEL),
            log=_lines(text),
        )
    missing, closed = (any(w in lower for w in ws) for ws in (_NO_IMAGE, _NO_ACCESS))
    message = "The image cannot be downloaded now; it is tried again."
    if closed:
        message = "The registry does not let the cluster have this image."
    elif missing:
        message = "There is no such image in its registry."
    final = closed or missing
    theirs = "Check the image's name and tag, and that it is public."
    hint = theirs if spec.custom else "Pick another image, and tell the administrator."
    return Diagnosis(
        cause=Cause.IMAGE_PULL,
        message=message,
        hint=hint if final else "",
        final=final,
        remedies=_CRASH if final else (Remedy.WAIT, Remedy.CANCEL),
        log=_lines(text),
    )


def _volume(text: str) -> Diagnosis:
    missing = "not found" in text.lower()
    return Diagnosis(
        cause=Cause.VOLUME,
        message="A data volume does not exist." if missing else "A data volume is not ready yet.",
        hint="Start without it, and tell the administrator."
        if missing
        else "It is tried again. If it stays so, start without it.",
        final=missing,
        remedies=_CRASH if missing else (Remedy.WAIT, Remedy.CANCEL),
        log=_lines(text),
    )


def _lines(text: str) -> tuple[str, ...]:
    lines = [line.strip()[:_LONGEST] for line in text.splitlines() if line.strip()]
    return tuple(lines[-_LINES:])
