"""Whether a lab is used, when it is stopped otherwise, and its restart with other GPUs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .catalog import MAX_GPUS
from .wire import Value

__all__ = ("Idle", "Restart", "RestartWish")


class Idle(Value):
    """What a lab knows about its own use. Times are seconds since the epoch.

    Attributes:
        limit: Minutes without use after which the lab is stopped; 0 is never.
        since: When it was last used.
        stops: When it is stopped unless it is used before then, or None when it is not.
        active: What uses it now, though nobody may be looking: ``kernel``, ``gpu``, ``job``.
        gpus: How many GPUs the lab holds.
        now: What the clock of these times shows; a browser's own may be wrong.
    """

    limit: int = Field(ge=0)
    since: float
    stops: float | None = None
    active: tuple[Literal["kernel", "gpu", "job"], ...] = ()
    gpus: int = Field(default=0, ge=0)
    now: float


class RestartWish(Value):
    """A wish for the same lab with another number of GPUs.

    Attributes:
        server: JupyterHub's name of the server; empty for the first one.
        gpus: How many it is to have.
    """

    server: str = Field(default="", max_length=255)
    gpus: int = Field(ge=0, le=MAX_GPUS)


class Restart(Value):
    """The last restart of a lab that was asked for in the lab itself.

    Attributes:
        server: JupyterHub's name of the server; empty for the first one.
        gpus: How many GPUs it was to have.
        before: How many it had before.
        state: ``none`` when there was no restart; ``restarting``; ``done``; ``undone`` when it
            could not start like that and was started as it was before; ``failed``.
        message: One sentence for people; empty when there is nothing to say.
        time: When it was asked for, seconds since the epoch.
    """

    server: str = ""
    gpus: int = 0
    before: int = 0
    state: Literal["none", "restarting", "done", "undone", "failed"] = "none"
    message: str = ""
    time: float = 0.0
