"""Why no machine of the cluster takes a pod yet, from what scheduler and autoscaler say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..specs import Cause, Diagnosis, Remedy
from .declines import LACKING, Declines, Why, declines
from .events import reason_of, text_of
from .wish import Wish

__all__ = ("PLACING", "Scheduling", "scheduling")

#: Reasons of the events that are read here.
PLACING = frozenset({"FailedScheduling", "NotTriggerScaleUp", "TriggeredScaleUp"})
#: What the autoscaler says when a machine of the kind exists, but cannot be added now.
_AT_LIMIT = ("max node group size reached", "in backoff", "limit")
_LONGEST = 300
#: 1.36 adds a ``not found`` of its own to anything that is wrong with a pod's claims.
_GONE = re.compile(r'persistentvolumeclaim "[^"]*" (?:is )?(not found|being deleted)')
_LACK = {
    Why.MEMORY: "free memory",
    Why.CPU: "free CPUs",
    Why.DISK: "room on its disk",
    Why.PODS: "room for another pod",
    Why.DEVICE: "of a device that it asks for",
}


@dataclass(frozen=True)
class Scheduling:
    """What is known at one moment.

    Attributes:
        diagnosis: What is in the way; None when nothing is known to be.
        refused: The autoscaler adds no machine.
        held: What is lacking exists, and others have it now.
    """

    diagnosis: Diagnosis | None = None
    refused: bool = False
    held: bool = False

    def after(self, event: Mapping[str, Any], wish: Wish) -> Scheduling:
        """The same with one more event."""
        reason, text = reason_of(event), text_of(event)
        if reason == "TriggeredScaleUp":
            return Scheduling(_added())
        if reason == "NotTriggerScaleUp":
            made = _refused(self.diagnosis, self.held, text, wish)
            return Scheduling(made, refused=True, held=self.held)
        if self.diagnosis and self.diagnosis.cause is Cause.STARTING:
            return self  # A machine is being added; the scheduler repeats what it has said.
        said = declines(text)
        held = any(why in said.counts for why in LACKING) and not said.vain
        made = _failed(said, text, wish)
        if self.refused:
            made = _refused(made, held, "", wish)
        return Scheduling(made, self.refused, held)


def scheduling(events: Iterable[Mapping[str, Any]], wish: Wish) -> Scheduling:
    """What these events say, oldest first; others than those of scheduling are not read."""
    found = Scheduling()
    for event in events:
        if reason_of(event) in PLACING:
            found = found.after(event, wish)
    return found


def _added() -> Diagnosis:
    return Diagnosis(
        cause=Cause.STARTING,
        message="A machine is being added to the cluster, usually in 2 to 10 minutes.",
        remedies=(Remedy.WAIT, Remedy.CANCEL),
    )


def _failed(said: Declines, text: str, wish: Wish) -> Diagnosis:
    cause, message, hint, final = _said(said, wish)
    return Diagnosis(
        cause=cause,
        message=message,
        hint=hint,
        final=final,
        remedies=wish.ends if final else _waits(cause, wish),
        log=(text[:_LONGEST],) if text else (),
    )


def _said(said: Declines, wish: Wish) -> tuple[Cause, str, str, bool]:
    """Cause, message, hint, and whether waiting is vain."""
    if found := _of_pod(said.rest, wish):
        return found
    if lacks := said.lacks:
        return _lacking(said, lacks, wish)
    if said.counts.get(Why.VOLUME):
        return (
            Cause.VOLUME,
            f"Storage is not ready on a machine that could take the {wish.what}.",
            f"It is tried again. If it stays so, start without the {_volume(wish)}.",
            False,
        )
    if closed := said.counts.get(Why.CLOSED):
        machines = "One machine takes" if closed == 1 else f"{closed} machines take"
        return (
            Cause.NO_NODE,
            f"{machines} nothing new for now, and no other takes {_such(wish)}.",
            f"The {wish.what} starts when one is ready again.",
            False,
        )
    if said.counts.get(Why.APART) or said.counts.get(Why.PORTS):
        return (
            Cause.NO_NODE,
            f"The machines with room must not take {_such(wish)} beside what they run.",
            "It starts when that ends. The rule is the administrator's.",
            False,
        )
    # Unnamed taints (from 1.36 on) may be no more than those of the control plane.
    if said.taints or (Why.TAINT in said.counts and Why.SELECTOR not in said.counts):
        return (
            Cause.NO_NODE,
            f"The machines that could take {_such(wish)} are kept for something else.",
            f"Show this to the administrator: {_untolerated(said, wish)}.",
            False,
        )
    of = f"None of the cluster's {said.machines} machines" if said.machines else ""
    return (
        Cause.NO_NODE,
        f"{of or 'No machine of the cluster'} takes {_such(wish)} now.",
        "One may be added in the next minutes.",
        False,
    )


def _of_pod(rest: str, wish: Wish) -> tuple[Cause, str, str, bool] | None:
    """What is in the way on every machine: it is about the pod's own volumes."""
    if "persistentvolumeclaim" not in rest and "volumebinding" not in rest:
        return None
    if gone := _GONE.search(rest):
        return (
            Cause.VOLUME,
            f"The storage of a {_volume(wish)} "
            f"{'does not exist' if gone[1] == 'not found' else 'is being deleted'}.",
            "Start without it, and tell the administrator.",
            True,
        )
    return (
        Cause.VOLUME,
        f"Storage is not ready on a machine that could take the {wish.what}.",
        f"It is tried again. If it stays so, start without the {_volume(wish)}.",
        False,
    )


def _lacking(said: Declines, lacks: tuple[Why, ...], wish: Wish) -> tuple[Cause, str, str, bool]:
    if said.vain:
        return _too_large(said, lacks, wish)
    cause, message, hint = Cause.NO_NODE, "", f"The {wish.what} starts as soon as one has"
    smaller = "; a smaller one may start sooner." if wish.what == "lab" else "."
    # Machines that lack nothing but this: on those the GPUs are free.
    near = [why for why in lacks if why is not Why.GPU and said.only(why)]
    if wish.gpus and Why.GPU in lacks and not near:
        cause = Cause.NO_FREE_GPU
        short = min(said.counts[Why.GPU], said.full or said.counts[Why.GPU])
        machines = "One machine has" if short == 1 else f"{short} machines have"
        message = f"{machines} such GPUs, and none has {wish.count} free now."
        hint = f"The {wish.what} starts as soon as they are free."
    elif wish.gpus and near:
        free = sum(said.only(why) for why in near)
        machines = "One machine has" if free == 1 else f"{free} machines have"
        gpus = "the GPU" if wish.gpus == 1 else f"the {wish.gpus} GPUs"
        message = f"{machines} {gpus} free, but not enough {_lack(near, free=False)}."
        hint += f"; with less of it the {wish.what} may start at once."
    else:
        # As in "no machine has enough of them": of all that some machine lacks.
        most = max(lacks, key=said.only)
        message = f"No machine has enough {_lack([most] if said.only(most) else lacks)} now."
        hint += smaller
    if elsewhere := said.counts.get(Why.VOLUME):
        others = "Another machine has" if elsewhere == 1 else f"{elsewhere} other machines have"
        hint += f" {others} room, but cannot reach a {_volume(wish)}: without it, it could start."
    elif said.taints:
        hint += f" Other machines are kept for something else: {_untolerated(said, wish)}."
    return cause, message, hint, False


def _too_large(said: Declines, lacks: tuple[Why, ...], wish: Wish) -> tuple[Cause, str, str, bool]:
    near = [why for why in lacks if said.only(why)]
    if near == [Why.GPU] or lacks == (Why.GPU,):
        what = f"{wish.count} such GPU{'' if wish.gpus == 1 else 's'}"
    else:
        # Of several that one machine lacks it is not said which is more than it has.
        what = f"enough {_lack(near or lacks, free=False)}"
    # Others are closed or kept for something else, and may be larger.
    elsewhere = any(why in said.counts for why in (Why.CLOSED, Why.TAINT))
    machine = "that it may use" if elsewhere else "of the cluster"
    hint = "Pick less. It starts only if a larger machine is added."
    if Why.TAINT in said.counts:
        hint = f"Pick less. If others have it, tell the administrator: {_untolerated(said, wish)}."
    return (
        Cause.NO_NODE,
        f"No machine {machine} has {what}, even with nothing else on it.",
        hint,
        False,
    )


def _refused(known: Diagnosis | None, held: bool, text: str, wish: Wish) -> Diagnosis:
    """The autoscaler adds nothing: waiting helps only when something is given back."""
    at_limit = any(word in text.lower() for word in _AT_LIMIT)
    if known is not None and known.final:
        return known
    if not (held or at_limit or not text):
        what = f"{wish.count} of this kind" if wish.gpus else "so much"
        remedies = tuple(each for each in wish.waits if each is not Remedy.WAIT)
        return Diagnosis(
            cause=Cause.NO_NODE,
            message=f"No machine of this cluster has {what}, and none can be added.",
            hint="Pick less, or another kind of GPU.",
            final=True,
            remedies=remedies,
            log=(text[:_LONGEST],),
        )
    base = known or _failed(Declines(), "", wish)
    what = "GPUs" if wish.gpus else "machines"
    return base.model_copy(
        update={
            "hint": f"No machine can be added now. The {wish.what} starts when {what} are given "
            "back."
            if wish.patient
            else "No machine can be added now. Pick less, or say how long the lab may wait.",
            "final": not wish.patient,
        }
    )


def _waits(cause: Cause, wish: Wish) -> tuple[Remedy, ...]:
    return (Remedy.WAIT, Remedy.CANCEL) if cause is Cause.VOLUME else wish.waits


def _untolerated(said: Declines, wish: Wish) -> str:
    return f"the {wish.what} does not tolerate {', '.join(said.taints) or 'their taints'}"


def _such(wish: Wish) -> str:
    a = "a lab" if wish.what == "lab" else "a replica"
    return f"{a} with {wish.count} of this kind" if wish.gpus else a


def _volume(wish: Wish) -> str:
    """A job writes to one, too."""
    return "data volume" if wish.what == "lab" else "volume"


def _lack(whys: Iterable[Why], *, free: bool = True) -> str:
    """In words; ``free memory or CPUs``."""
    words = [_LACK.get(why, "GPUs") for why in whys]
    said = " or ".join([words[0], *(word.removeprefix("free ") for word in words[1:])])
    return said if free else said.removeprefix("free ")
