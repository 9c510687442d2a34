"""Why the API server did not take an object: quotas and the cluster's own rules."""

from __future__ import annotations

import re

from ..specs import Cause, Diagnosis, Remedy
from .declines import is_gpu
from .lines import lines
from .quantity import whole
from .wish import Wish

__all__ = ("of_refusal",)

_QUOTA = re.compile(r"exceeded quota: \S+, requested: (\S+), used: (\S+), limited: (\S+)")
_MUST = re.compile(r"must specify ([^\"]+)")
#: A webhook's word for it, and a ValidatingAdmissionPolicy's.
_RULE = re.compile(r"denied (?:the )?request: (.+)", re.DOTALL)
_LIMIT = re.compile(r"(?:maximum|minimum) \S+ usage per \S+ is \S+, but [^.\"]+")
_LONGEST = 200
_BYTES = {"memory", "disk"}


def of_refusal(text: str, wish: Wish, *, retried: bool = False) -> Diagnosis:
    """What a refusal with a status below 500 means.

    Args:
        text: What the API server says, alone or inside an event's message.
        wish: Whose object it is.
        retried: Whether the cluster itself tries again, as a Job does.
    """
    if "exceeded quota" in text:
        return _quota(text, wish, retried)
    cause, message, hint = Cause.CRASHED, "", "Show this to the administrator."
    if (must := _MUST.search(text)) and "failed quota" in text:
        cause = Cause.QUOTA
        message = f"The cluster's quota takes a {wish.what} only when it says how much it needs."
        hint = f"Say it when you start the {wish.what}: {_resources(must[1])}."
    elif "violates PodSecurity" in text:
        message = f"The cluster's security rules refuse this {wish.what}."
    elif limit := _LIMIT.search(text):
        message = f"The cluster's limits refuse this {wish.what}: {limit[0]}."
        hint = "Pick less."
    elif rule := _RULE.search(text):
        said = " ".join(rule[1].split())[:_LONGEST].rstrip(".")
        message = f"A rule of the cluster refuses this {wish.what}: {said}."
    return Diagnosis(
        cause=cause,
        message=message or f"The cluster refuses this {wish.what}.",
        hint=hint,
        final=True,
        remedies=wish.ends,
        log=lines(text),
    )


def _quota(text: str, wish: Wish, retried: bool) -> Diagnosis:
    """Says what is used up, where that can be read; waiting is vain for more than all of it."""
    message = "This is more than the cluster's quota has left now."
    never = False
    if found := _QUOTA.search(text):
        wanted, used, most = (_amounts(part) for part in found.groups())
        name = max(
            (name for name in wanted if name in used and name in most),
            key=lambda name: (wanted[name] > most[name], is_gpu(name)),
            default="",
        )
        if name:
            never = wanted[name] > most[name]
            what = _word(name)
            free = max(0, most[name] - used[name])
            message = (
                f"This is more than the cluster's quota allows: {_of(wanted[name], what)}, "
                f"and the quota is {_amount(most[name], what)}."
                if never
                else f"{message} It asks for {_of(wanted[name], what)}, "
                f"and {_amount(free, what)} of {_amount(most[name], what)} are left."
            )
    final = never or not retried
    cpu = (Remedy.CPU,) if wish.what == "lab" else ()
    return Diagnosis(
        cause=Cause.QUOTA,
        message=message,
        hint="Pick less." if never else "Pick less, or end a lab or job that you no longer need.",
        final=final,
        remedies=(*cpu, *wish.ends) if final else (Remedy.WAIT, Remedy.CANCEL),
        log=lines(text),
    )


def _amounts(text: str) -> dict[str, int]:
    """``requests.cpu=2,requests.memory=4Gi``; what cannot be read is left out."""
    found = {}
    for part in text.split(","):
        name, _, amount = part.partition("=")
        try:
            found[name.removeprefix("requests.").removeprefix("limits.")] = whole(amount)
        except ValueError:
            continue
    return found


def _word(name: str) -> str:
    if is_gpu(name):
        return "GPUs"
    return {"cpu": "CPUs", "memory": "memory", "ephemeral-storage": "disk"}.get(name, name)


def _of(number: int, what: str) -> str:
    if what in _BYTES:
        return f"{_amount(number, what)} of {what}"
    one = number == 1 and what in {"GPUs", "CPUs", "pods"}
    return f"{number} {what[:-1] if one else what}"


def _amount(number: int, what: str) -> str:
    return f"{number / 2**30:.4g} GiB" if what in _BYTES else str(number)


def _resources(text: str) -> str:
    """``limits.cpu for: worker; limits.memory for: worker`` in words."""
    names = [part.strip().split()[0] for part in re.split(r"[;,]", text) if part.strip()]
    words = [_word(name.removeprefix("limits.").removeprefix("requests.")) for name in names]
    return ", ".join(dict.fromkeys(words))
