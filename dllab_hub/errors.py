"""Every error dllab-hub raises on purpose, with the HTTP status it travels as.

::

    DLLabError                 500
    ├── InvalidRequest         400  the wish itself is wrong: names the field and the fix
    ├── AccessDenied           403  known person, not allowed
    ├── NotFound               404  also what another person's thing looks like
    ├── Conflict               409  not possible in the present state
    │   └── NoCapacity         409  not enough free GPUs now
    ├── TooLarge               413
    ├── Unavailable            503  a part is missing or not reachable: says what to do
    └── StorageFull            507

On the wire an error is ``{"error": {"code", "message", "hint", "field", "line"}}``; `to_wire` and
`from_wire` are each other's inverse, so a client raises what the server raised.
Nothing else may be imported here: the whole package rests on this module.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = (
    "AccessDenied",
    "Conflict",
    "DLLabError",
    "InvalidRequest",
    "NoCapacity",
    "NotFound",
    "StorageFull",
    "TooLarge",
    "Unavailable",
)


class DLLabError(Exception):
    """Something went wrong that a person should read about.

    Attributes:
        message: One sentence that says what happened.
        hint: What to do next; may be empty.
        field: Dotted path of the offending field, such as ``roles.0.replicas``; may be empty.
        line: Line in the submitted source, counted from 1, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(
        self, message: str, *, hint: str = "", field: str = "", line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        self.line = line

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")

    def to_wire(self) -> dict[str, Any]:
        """The error as the JSON object every REST answer uses."""
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "hint": self.hint,
                "field": self.field,
                "line": self.line,
            }
        }

    @staticmethod
    def from_wire(status: int, body: object) -> DLLabError:
        """The exception a REST answer stands for.

        Args:
            status: HTTP status of the answer.
            body: The decoded JSON body, or anything else when it was not ours.
        """
        error = body.get("error") if isinstance(body, dict) else None
        if not isinstance(error, dict):
            error = {"message": f"the server answered with status {status}."}
        kind = _BY_CODE.get(str(error.get("code")), _BY_STATUS.get(status, DLLabError))
        line = error.get("line")
        return kind(
            str(error.get("message", "")),
            hint=str(error.get("hint") or ""),
            field=str(error.get("field") or ""),
            line=line if isinstance(line, int) else None,
        )


class InvalidRequest(DLLabError, ValueError):
    """The request can never work as it is written."""

    status = 400
    code = "invalid_request"


class AccessDenied(DLLabError):
    """The person is known and may not do this."""

    status = 403
    code = "access_denied"


class NotFound(DLLabError):
    """No such thing, or it belongs to somebody else."""

    status = 404
    code = "not_found"


class Conflict(DLLabError):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"


class NoCapacity(Conflict):
    """The GPUs asked for exist, but are not free now."""

    code = "no_capacity"


class TooLarge(DLLabError):
    """The request is larger than the limit it names."""

    status = 413
    code = "too_large"


class Unavailable(DLLabError):
    """A part that is needed is missing or does not answer."""

    status = 503
    code = "unavailable"


class StorageFull(DLLabError):
    """The disk that holds the state is full."""

    status = 507
    code = "storage_full"


_ALL = (
    InvalidRequest, AccessDenied, NotFound, Conflict, NoCapacity, TooLarge, Unavailable, StorageFull
)  # fmt: skip
_BY_CODE: dict[str, type[DLLabError]] = {kind.code: kind for kind in _ALL}
_BY_STATUS: dict[int, type[DLLabError]] = {kind.status: kind for kind in reversed(_ALL)}
