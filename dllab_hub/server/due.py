"""`Due`: what is to be done by itself now, about which alert, to whom, and how often at most. Pure.

Each thing is done once for each time that an alert fires, to the same job, GPU or deployment no
sooner than half an hour after the last time, and a few times an hour at most. A job is relaunched a
few times a day, whatever fires: what does not help must not become a trouble of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..specs import Action, Alert, Gpu
from .concerning import World

__all__ = (
    "COOL_DOWN",
    "PER_DAY",
    "PER_HOUR",
    "Did",
    "Due",
    "due",
    "is_due",
    "parts",
    "remembered",
    "targets",
    "whole",
)

#: Seconds before the same is done to the same again; how often anything is done in an hour; and how
#: often the same job is relaunched in a day.
COOL_DOWN, PER_HOUR, PER_DAY = 1800.0, 6, 3
_HOUR, _DAY = 3600.0, 86400.0


class Did(NamedTuple):
    """What was begun.

    Attributes:
        action: What.
        subject: Id of a job, UUID, owner and name of a deployment; empty: it was refused.
        time: When, seconds since the epoch.
        alert: Id of the alert.
        fired: Since when that fires, seconds since the epoch.
    """

    action: Action
    subject: str
    time: float
    alert: str = ""
    fired: float = 0.0


class Due(NamedTuple):
    """What is to be done.

    Attributes:
        did: What is remembered of it.
        alert: For which.
        refused: Why it is not done after all, a sentence; empty when it is.
    """

    did: Did
    alert: Alert
    refused: str = ""


def whole(gpu: Gpu, world: World) -> Gpu | None:
    """The GPU that a slice is of, or itself; None when that is not there."""
    if gpu.slice is None:
        return gpu
    mine = (one for one in world.report.gpus if one.slice is None and _place(one) == _place(gpu))
    return next(mine, None)


def parts(uuid: str, world: World) -> tuple[str, ...]:
    """The GPU, and its slices when it is divided."""
    gpu = world.gpu(uuid)
    if gpu is None or gpu.slice is not None:
        return (uuid,)
    return uuid, *(
        one.uuid
        for one in world.report.gpus
        if one.slice is not None and _place(one) == _place(gpu)
    )


def targets(action: Action, alert: Alert, world: World) -> tuple[str, ...]:
    """What would be acted on, as `Did.subject`. The slices of a GPU may be of several jobs."""
    if action == "withdraw":
        return (alert.subject,)
    if action == "relaunch":
        if alert.kind == "job":
            return (alert.subject,)
        users = [world.user(uuid) for uuid in parts(alert.subject, world)]
        return tuple(dict.fromkeys(user.id for user in users if user and user.kind == "job"))
    return (f"{alert.owner}/{alert.subject}",)


def is_due(action: Action, subject: str, done: Sequence[Did], now: float) -> bool:
    """Whether it may be done now."""
    last_hour = [each for each in done if each.subject and now - each.time < _HOUR]
    if len(last_hour) >= PER_HOUR:
        return False
    return not any(
        (action, subject) == each[:2] and now - each.time < COOL_DOWN for each in last_hour
    )


def due(
    wanted: Mapping[str, Sequence[Action]],
    alerts: Sequence[Alert],
    done: Sequence[Did],
    world: World,
) -> Iterator[Due]:
    """What is to be done now, one after the other.

    Args:
        wanted: What is to be done about a rule's alerts.
        alerts: Those that fire.
        done: Before, as it is `remembered`.
        world: As it is now.
    """
    now, acts = world.now, list(done)
    for alert in alerts:
        _, fired = _firing(alert)
        for action in wanted.get(alert.rule, ()):
            if any((action, alert.id, fired) == (a.action, a.alert, a.fired) for a in acts):
                continue
            for subject in filter(None, targets(action, alert, world)):
                if not is_due(action, subject, acts, now):
                    continue
                refused = _too_often(action, subject, acts, now)
                did = Did(action, "" if refused else subject, now, alert.id, fired)
                acts.append(did)
                yield Due(did, alert, refused)


def remembered(done: Sequence[Did], alerts: Collection[Alert], now: float) -> tuple[Did, ...]:
    """What has still to be known of what was done: that of a day, and that about the alerts that
    stand: an alert may fire for longer.
    """
    stand = {_firing(alert) for alert in alerts}
    return tuple(
        each for each in done if now - each.time < _DAY or (each.alert, each.fired) in stand
    )


def _too_often(action: Action, subject: str, done: Sequence[Did], now: float) -> str:
    if action != "relaunch":
        return ""
    today = [each for each in done if each[:2] == (action, subject) and now - each.time < _DAY]
    if len(today) < PER_DAY:
        return ""
    return f"{subject} was relaunched {len(today)} times within a day: now a person has to look."


def _firing(alert: Alert) -> tuple[str, float]:
    return alert.id, alert.since if alert.fired is None else alert.fired


def _place(gpu: Gpu) -> tuple[str, int]:
    return gpu.node, gpu.index
