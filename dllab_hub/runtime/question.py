"""`Question`: a request that fits the model, and what the protocols that bring it share.

Everything a caller can get wrong is found before anything is computed, so a rejected request costs
little more than its own JSON. A number in an answer that is not finite is ``null``: JSON has no
word for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .model import BadRequest

if TYPE_CHECKING:
    import numpy

__all__ = ("Dialect", "Question", "dumps", "no_input", "object_of")


@dataclass(frozen=True)
class Question:
    """A request that fits the model.

    Attributes:
        arrays: One per input.
        outputs: Names of those that are asked for.
        rows: How many instances there were; V1 only.
        id: What the caller calls the request; V2 only.
        columns: The caller sent columns, and gets columns; V1 only.
        binary: Outputs that are answered as bytes; V2 only.
    """

    arrays: Mapping[str, numpy.ndarray]
    outputs: tuple[str, ...]
    rows: int = 0
    id: str | None = None
    columns: bool = False
    binary: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.arrays.values())


class Dialect(Protocol):
    """One protocol, for one model."""

    def read(self, body: bytes | bytearray, head: str | None = None) -> Question:
        """Raises `BadRequest`.

        Args:
            body: All of it.
            head: What the header `binary.HEADER` says, where there is one.
        """
        ...

    def write(
        self, question: Question, found: Mapping[str, numpy.ndarray]
    ) -> tuple[bytes, int | None]:
        """The answer, and how many bytes of it are JSON; None: all.

        Raises:
            BadRequest: the protocol cannot say it.
        """
        ...


def object_of(body: bytes | bytearray | memoryview) -> dict[str, Any]:
    """The JSON object that a body is; raises `BadRequest`."""
    import orjson

    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        # The words of JavaScript and Python's own json module.
        if bytes(body[exc.pos : exc.pos + 3]) in (b"NaN", b"Inf", b"-In"):
            raise BadRequest("values must be finite: JSON has no NaN and no Infinity.") from exc
        raise BadRequest(f"the body is not JSON: {exc}.") from exc
    if not isinstance(found, dict):
        raise BadRequest("the body must be a JSON object.")
    return found


def no_input(name: str, names: list[str]) -> str:
    """The sentence about an input that is none; the caller's own word is short and printable."""
    shown = "".join(c if c.isprintable() else "?" for c in name[:40])
    return f"there is no input {shown!r}; the model takes {', '.join(names)}."


def dumps(answer: dict[str, Any]) -> bytes:
    """The JSON of an answer, arrays and all."""
    import orjson

    text: bytes = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return text
