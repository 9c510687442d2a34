"""What a cluster says while a lab's pod starts, in plain words: events, the pod's status, refusals.

Kubernetes' own texts name nodes and registries and are written for its operators. They are kept as
`Diagnosis.log`; what people read first is a sentence of ours. Jobs have `pending`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..specs import Cause, Diagnosis, LabSpec, Remedy
from .endings import of_disruption
from .events import container_of, reason_of, text_of
from .lines import lines
from .mounting import BAD_CONTAINER, MOUNTING, SANDBOX, of_container, of_mount, of_sandbox
from .packages import CONTAINER
from .pulling import PULLING, is_pull, of_pull
from .refusals import of_refusal
from .scheduling import PLACING, Scheduling, scheduling
from .wish import Wish

__all__ = ("PLAIN", "diagnose", "refusal", "say")

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


def say(event: Mapping[str, Any], spec: LabSpec) -> str | Diagnosis | None:
    """One event of a pod for the page that waits; None for what helps nobody.

    Args:
        event: As the API server sends it.
        spec: What was picked.
    """
    reason, text, wish = reason_of(event), text_of(event), Wish.of_lab(spec)
    if container_of(event) == f"spec.initContainers{{{CONTAINER}}}" and reason == "Started":
        return "Installing your packages, which can take minutes"
    if reason in PLAIN:
        return PLAIN[reason]
    if reason in PLACING:
        return scheduling([event], wish).diagnosis
    if reason in MOUNTING:
        return of_mount(text, wish)
    if reason in SANDBOX:
        return of_sandbox(text, wish)
    if is_pull(reason, text):
        return of_pull(text, wish)
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
    wish = Wish.of_lab(spec)
    placing = Scheduling()
    found, pulling = None, ""
    for event in events:
        reason, text = reason_of(event), text_of(event)
        if reason in PLACING:
            placing = placing.after(event, wish)
        elif reason == "Scheduled":
            placing, found = Scheduling(), None
        elif reason in MOUNTING:
            found = of_mount(text, wish)
        elif reason in SANDBOX:
            found = of_sandbox(text, wish)
        elif is_pull(reason, text):
            found, pulling = of_pull(text, wish), text
        elif reason in {"SuccessfulAttachVolume", "Pulled", "Started"}:
            found = None
    return _status(pod or {}, pulling, spec, wish) or placing.diagnosis or found


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
    if status >= 500 or status == 429:
        return Diagnosis(
            cause=Cause.STARTING,
            message="The cluster does not answer as it should.",
            hint="Try again in a minute.",
            final=True,
            remedies=_CRASH,
            log=lines(text),
        )
    return of_refusal(text, Wish("lab"))


def _status(pod: Mapping[str, Any], pulling: str, spec: LabSpec, wish: Wish) -> Diagnosis | None:
    status = pod.get("status") or {}
    if lost := of_disruption(pod, wish):
        return lost
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
        if reason in PULLING:
            return of_pull(f"{reason}: {text} {pulling}", wish)
        if reason in BAD_CONTAINER:
            return of_container(text, wish)
    return None


def _packages(ended: Mapping[str, Any]) -> Diagnosis:
    log = lines(ended.get("message") or "")
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
    log = lines(ended.get("message") or "")
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
