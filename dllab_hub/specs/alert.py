"""What is wrong and whom it concerns: `Alert`; what was done about it, `Act`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .wire import Value

__all__ = ("ACTIONS", "Act", "Action", "Alert", "AlertFrame", "AlertList", "Severity", "Silence")

Severity = Literal["critical", "warning", "info"]
#: What can be done by itself: relaunch a job from its checkpoint on other GPUs; replace a replica;
#: lend a GPU to nobody until it is healthy; one replica more.
Action = Literal["relaunch", "replace", "withdraw", "scale"]
ACTIONS: tuple[Action, ...] = ("relaunch", "replace", "withdraw", "scale")


class Act(Value):
    """What was done about an alert by itself.

    Attributes:
        time: Seconds since the epoch.
        action: What.
        outcome: ``done`` or ``failed``.
        message: One sentence.
    """

    time: float
    action: Action
    outcome: Literal["done", "failed"]
    message: str


class Alert(Value):
    """Something that is wrong, or was a moment ago.

    Attributes:
        id: The same for the same rule and subject; letters, digits and hyphens.
        rule: Name of the rule, as in Prometheus: ``GPUTemperatureHigh``.
        severity: As in Prometheus.
        state: ``pending`` until it has been so for as long as the rule says, then ``firing``;
            ``resolved`` for some minutes after that.
        kind: What it is about: ``gpu``, ``job``, ``deployment`` or ``service``.
        subject: UUID, job id, name of the deployment; empty for the service.
        name: The same for people: ``GPU 3``, or the name of the job.
        owner: Whom it concerns; empty: only the administrator.
        message: One sentence, with the value.
        hint: What to do.
        value: Of the rule's series; None when it has vanished.
        since: Since when it is so, seconds since the epoch.
        fired: When it began to fire, or None.
        resolved: When it was over, or None.
        silenced: Until when the person is not told of it, or None.
        act: What was done about it, or None.
    """

    id: str
    rule: str
    severity: Severity
    state: Literal["pending", "firing", "resolved"]
    kind: Literal["gpu", "job", "deployment", "service"]
    subject: str = ""
    name: str = ""
    owner: str = ""
    message: str
    hint: str = ""
    value: float | None = None
    since: float
    fired: float | None = None
    resolved: float | None = None
    silenced: float | None = None
    act: Act | None = None


class AlertList(Value):
    """A person's alerts: critical ones first, then by when they began, newest first."""

    alerts: tuple[Alert, ...] = ()


class AlertFrame(Value):
    """A frame of the GPU stream: all alerts of the person who watches, whenever one changes."""

    type: Literal["alerts"] = "alerts"
    alerts: tuple[Alert, ...] = ()


class Silence(Value):
    """A wish not to be told of an alert for a while.

    Attributes:
        minutes: For how long; a week at most. An administrator's is for everybody.
    """

    minutes: int = Field(default=60, ge=1, le=7 * 24 * 60)
