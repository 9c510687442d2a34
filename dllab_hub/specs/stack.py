"""Where processes are just now: `Stack`."""

from __future__ import annotations

from .wire import Value

__all__ = ("Frame", "Stack")


class Frame(Value):
    """One call.

    Attributes:
        function: Name.
        file: Path; relative to the workspace where it lies there.
        line: From 1; 0 when it is not known.
    """

    function: str
    file: str
    line: int = 0


class Stack(Value):
    """The main thread of a replica.

    Attributes:
        replica: Such as ``worker-0``.
        pid: Process id.
        frames: Innermost first; empty when it could not be read.
        waits: Whether it waits for other replicas, in a collective operation.
        error: Why it could not be read; empty when it was.
    """

    replica: str
    pid: int
    frames: tuple[Frame, ...] = ()
    waits: bool = False
    error: str = ""
