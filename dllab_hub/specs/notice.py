"""How a person wants to be told: `NoticeSettings`, `NoticeWish`, and what was sent, `Delivery`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .wire import Value

__all__ = ("NOTICES", "Delivery", "NoticeKind", "NoticeSettings", "NoticeWish")

NoticeKind = Literal["succeeded", "failed", "stalled", "restarted", "paused", "alert"]
NOTICES: tuple[NoticeKind, ...] = (
    "succeeded", "failed", "stalled", "restarted", "paused", "alert",
)  # fmt: skip
#: What is told unless somebody says otherwise.
_USUAL: tuple[NoticeKind, ...] = ("succeeded", "failed", "stalled", "alert")
_Secret = Annotated[str, Field(min_length=16, max_length=200)]


class Delivery(Value):
    """One message that was, or is still being, sent.

    Attributes:
        time: When it was first tried, seconds since the epoch.
        job: Id, of an alert that of the alert; empty for a test.
        kind: What it tells; ``test`` for a test.
        by: ``webhook`` or ``email``.
        state: ``sent``, ``retrying`` or ``failed``.
        tries: So far.
        message: Why not; empty when it was sent.
    """

    time: float
    job: str = ""
    kind: str
    by: Literal["webhook", "email"]
    state: Literal["sent", "retrying", "failed"]
    tries: int = 1
    message: str = ""


class NoticeWish(Value):
    """What a person sets; replaces all but the secret.

    Attributes:
        webhook: Address that gets a POST for each notice; None for none.
        secret: Signs what is posted. None: the one that is set stays; one is made where none is.
        email: Address; None for none.
        on: What is told.
    """

    webhook: str | None = Field(default=None, max_length=2000)
    secret: _Secret | None = None
    email: str | None = Field(default=None, max_length=254)
    on: tuple[NoticeKind, ...] = Field(default=_USUAL, max_length=len(NOTICES))


class NoticeSettings(Value):
    """What is set.

    Attributes:
        webhook: As in `NoticeWish`.
        secret: Only in the answer to the request that set or made it; else None.
        has_secret: Whether there is one.
        email: As in `NoticeWish`.
        on: As in `NoticeWish`.
        can_email: Whether the administrator has set up a mail server.
        deliveries: The last ones, newest first, at most 20.
    """

    webhook: str | None = None
    secret: str | None = None
    has_secret: bool = False
    email: str | None = None
    on: tuple[NoticeKind, ...] = _USUAL
    can_email: bool = False
    deliveries: tuple[Delivery, ...] = ()
