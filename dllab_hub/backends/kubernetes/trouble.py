"""What a Kubernetes API server's answer means when it is none, and how to bear with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import aiohttp

from ...errors import Conflict, DLLabError, NotFound, Unavailable

__all__ = (
    "Absent",
    "Answered",
    "Conflicting",
    "Gone",
    "Pace",
    "Refused",
    "Unreachable",
    "refusal",
    "told",
)

#: How the API server says that a Role is missing; an admission rule's 403 says something else.
_NO_ROLE = 'is forbidden: User "'


class Answered(DLLabError):
    """An answer that is none.

    Attributes:
        answered: HTTP status of the API server; 0 when it sent none. (``status`` is the one by
            which the error travels to a person, who has nothing to do with a 401 of ours.)
        reason: Its word for it, such as ``AlreadyExists``; may be empty.
        said: Its own sentence; may be empty.
        retry_after: Seconds that it asks to wait, or None.
    """

    def __init__(
        self, message: str, hint: str = "Try again in a moment.", *, answered: int = 0,
        reason: str = "", said: str = "", retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.answered, self.reason, self.said = answered, reason, said
        self.retry_after = retry_after


class Refused(Answered, Unavailable):
    """The API server understood and said no."""

    @property
    def unwelcome(self) -> bool:
        """Whether it is the lab's service that is not let in, whatever it asks for."""
        return self.answered == 401 or (self.answered == 403 and _NO_ROLE in self.said)


class Unreachable(Answered, Unavailable):
    """It does not answer, or cannot now; what was asked for may have been done all the same."""


class Gone(Answered, Unavailable):
    """It no longer knows the past from which it was asked to go on: list again."""


class Conflicting(Answered, Conflict):
    """Somebody else changed or made the object in between."""


class Absent(Answered, NotFound):
    """There is no such object, or no such kind of object."""


def refusal(
    status: int, body: object, asked: str, headers: Mapping[str, str] | None = None
) -> Answered:
    """What an answer other than 2xx means.

    Args:
        status: HTTP status.
        body: A ``Status`` object, or anything else when a proxy answered.
        asked: What was asked for, such as ``list pods``.
        headers: Of the answer.
    """
    known: Mapping[str, Any] = body if isinstance(body, dict) else {}
    details = known.get("details") or {}
    said = " ".join(str(known.get("message") or "").split())[:500]
    after = (headers or {}).get("Retry-After") or str(details.get("retryAfterSeconds") or "")
    kind: type[Answered] = Refused
    message = f"the cluster refused to {asked}: {said.rstrip('.') or status}."
    hint = "Ask the administrator."
    causes = {cause.get("reason") for cause in details.get("causes") or ()}
    if status == 410 or "ResourceVersionTooLarge" in causes:  # The latter: restored from a backup.
        kind, message, hint = Gone, "the cluster has forgotten what was asked for.", "Ask again."
    elif status == 429 or status >= 500:
        kind, hint = Unreachable, "What runs there goes on; try again in a moment."
        message = f"the cluster's API server cannot answer now ({status})."
    elif status == 401:
        message = "the cluster does not accept the token of the lab's service account."
        hint = "Ask the administrator to renew it."
    elif status == 403 and _NO_ROLE in said:
        message = f"the lab's service account may not {asked} in the cluster."
        hint = "Ask the administrator to bind the lab's Role to it."
    elif status == 404 and details:
        kind, message, hint = Absent, f"the cluster does not have it: {said}.", ""
    elif status == 404:
        kind, message = Absent, f"nobody in the cluster knows how to {asked}."
        hint = "Ask the administrator to install what is missing."
    elif status == 409:
        kind, message = Conflicting, "somebody else changed this in the cluster at the same time."
        hint = "Try again."
    return kind(
        message, hint, answered=status, reason=str(known.get("reason") or ""), said=said,
        retry_after=float(after) if after.isdecimal() else None,
    )  # fmt: skip


class Pace:
    """Lets requests that repeat themselves through one by one, while the server is in trouble.

    Attributes:
        every: Seconds between two of them.
    """

    def __init__(self) -> None:
        self.every = 1.1  # Not 1: what is sent a second apart may arrive within one.
        self._next = 0.0
        self._well = asyncio.Event()
        self._well.set()

    @property
    def well(self) -> bool:
        """Whether the last answer was one."""
        return self._well.is_set()

    def heard(self, well: bool) -> None:
        """An answer has come, or none."""
        if well:
            self._well.set()
        else:
            self._well.clear()

    async def turn(self) -> None:
        """Wait for a turn; at once while all is well, or as soon as it is again."""
        while not self._well.is_set():
            wait = self._next - time.monotonic()
            if wait <= 0:
                self._next = time.monotonic() + self.every
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._well.wait(), wait)


@contextmanager
def told(pace: Pace) -> Iterator[None]:
    """Every way in which a request fails, as an error of ours; ``pace`` hears of it."""
    try:
        yield
    except Answered as exc:
        pace.heard(not isinstance(exc, Unreachable))
        raise
    except aiohttp.ClientConnectorCertificateError as exc:
        pace.heard(False)
        raise Unreachable(
            "the certificate of the cluster's API server is not one that the lab trusts.",
            "Ask the administrator to see to it.",
            said=str(exc),
        ) from exc
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError) as exc:
        pace.heard(False)
        what = "takes too long to answer" if isinstance(exc, TimeoutError) else "does not answer"
        raise Unreachable(
            f"the cluster's API server {what}.",
            "What runs there goes on; try again in a moment.",
            said=str(exc) or type(exc).__name__,
        ) from exc
