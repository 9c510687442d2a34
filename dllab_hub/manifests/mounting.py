"""Why a container is not set up on the machine that was found: volumes, network, its settings."""

from __future__ import annotations

import re

from ..specs import Cause, Diagnosis, Remedy
from .lines import lines
from .wish import Wish

__all__ = ("BAD_CONTAINER", "MOUNTING", "SANDBOX", "of_container", "of_mount", "of_sandbox")

#: Reasons of events.
MOUNTING = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
SANDBOX = frozenset({"FailedCreatePodSandBox", "FailedCreatePodContainer", "NetworkNotReady"})
#: What a container waits for that cannot be made.
BAD_CONTAINER = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_WAIT = (Remedy.WAIT, Remedy.CANCEL)
_MISSING = re.compile(r"not found|does not exist", re.I)
_LATE = re.compile(r"list of registered csi drivers|not registered", re.I)
_BUSY = re.compile(r"deadline exceeded|failed to reserve container name", re.I)
_ELSEWHERE = re.compile(r"multi-attach|already (used|exclusively attached)|volume is in use", re.I)
_SLOW = re.compile(r"timed? ?out|deadline exceeded|connection refused|no route to host", re.I)
_CLOSED = re.compile(r"permission denied|access denied|operation not permitted", re.I)
_PARTS = (
    (re.compile(r'(secret|configmap) "[^"]*" not found', re.I), "A secret or a setting"),
    (re.compile(r"couldn't find key", re.I), "A part of a secret or a setting"),
)


def of_mount(text: str, wish: Wish) -> Diagnosis:
    """A volume is not there, from what the kubelet or the attacher says."""
    volume = "data volume" if wish.what == "lab" else "volume"
    # A new machine's driver for storage may be a moment late.
    missing = _MISSING.search(text) and not _LATE.search(text)
    if missing:
        return Diagnosis(
            cause=Cause.VOLUME,
            message=f"A {volume} does not exist.",
            hint="Start without it, and tell the administrator.",
            final=True,
            remedies=wish.ends,
            log=lines(text),
        )
    why = ""
    if _ELSEWHERE.search(text):
        why = " Another machine has it, and only one may."
    elif _CLOSED.search(text):
        why = " Its storage refuses the machine."
    elif _SLOW.search(text):
        why = " Its storage does not answer."
    return Diagnosis(
        cause=Cause.VOLUME,
        message=f"A {volume} is not ready yet.{why}",
        hint="It is tried again. If it stays so, start without it.",
        remedies=_WAIT,
        log=lines(text),
    )


def of_sandbox(text: str, wish: Wish) -> Diagnosis:
    """The machine cannot make room for a container, often for want of a network address."""
    network = re.search(r"network|cni\b|ip address|ipam|plugin type=", text, re.IGNORECASE)
    what = "The network" if network else "The container runtime"
    return Diagnosis(
        cause=Cause.NO_NODE,
        message=f"{what} of the machine that was found is not ready.",
        hint="It is tried again. If it stays so, show this to the administrator.",
        remedies=_WAIT,
        log=lines(text),
    )


def of_container(text: str, wish: Wish) -> Diagnosis:
    """A container cannot be started as it was asked for."""
    found = next((what for sign, what in _PARTS if sign.search(text)), "")
    if "non-root" in text or "runAsNonRoot" in text:
        found = "The image wants to run as root, which the cluster does not allow"
    elif re.search(r"exec format error|no such file or directory|executable file not found", text):
        found = "The image does not have the program that it was to run, or not for this machine"
    elif found:
        found = f"{found} that it needs is not there"
    if _BUSY.search(text):
        return Diagnosis(
            cause=Cause.STARTING,
            message="The machine that was found is too busy to start the container.",
            hint="It is tried again.",
            remedies=_WAIT,
            log=lines(text),
        )
    why = f": {found[0].lower()}{found[1:]}" if found else ""
    return Diagnosis(
        cause=Cause.CRASHED,
        message=f"The container cannot be started{why}.",
        hint="Show this to the administrator.",
        final=True,
        remedies=wish.ends,
        log=lines(text),
    )
