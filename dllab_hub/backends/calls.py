"""`Call` and `Reply`: a question to a model and its answer; `NoAnswer` where there is none;
`Download`: its file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from ..errors import Unavailable

__all__ = ("MAX_CALL_BYTES", "Call", "Download", "NoAnswer", "Reply")

#: Most bytes of one request to a model; the balancer and the model server have the same limit.
MAX_CALL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Call:
    """A request to a model.

    Attributes:
        method: ``GET`` or ``POST``.
        path: Below the deployment's URL, such as ``v1/models/digits:predict``; without a query.
        body: At most `MAX_CALL_BYTES`.
        headers: Those that concern the model; never a token, a cookie or a hop-by-hop header.
        version: Which of a deployment's versions is to answer; None: whichever gets it by lot.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True)
class Reply:
    """A model server's answer, as it came."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Download:
    """A file on its way to somebody.

    Attributes:
        name: As it is to be called where it arrives.
        size: Bytes, or None where that shows at the end.
        pieces: To be taken to the end, or closed.
    """

    name: str
    size: int | None
    pieces: AsyncIterator[bytes]


class NoAnswer(Unavailable):
    """Nobody answers for a deployment. The message says why, and that is for its owner to know: it
    may name labs, jobs and quotas.
    """

    def untold(self) -> Unavailable:
        """The same for everybody else."""
        return Unavailable(
            "the deployment does not answer now.",
            hint="Try again in a moment; its owner sees why.",
        )
