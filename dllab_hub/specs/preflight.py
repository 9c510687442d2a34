"""What can be seen to be wrong with a job before it runs: `Preflight`."""

from __future__ import annotations

from typing import Literal

from .wire import Value

__all__ = ("Finding", "Preflight")


class Finding(Value):
    """One thing that was found.

    Attributes:
        check: ``syntax``, ``imports``, ``paths``, ``environment``, or ``limits`` when the check
            itself met its limit of time or memory.
        severity: An ``error`` keeps the job from being started; a ``warning`` does not.
        message: A sentence for people.
        hint: What to do about it, may be empty.
        file: Of the workspace, or empty.
        line: From 1, or None.
    """

    check: Literal["syntax", "imports", "paths", "environment", "limits"]
    severity: Literal["error", "warning"]
    message: str
    hint: str = ""
    file: str = ""
    line: int | None = None


class Preflight(Value):
    """What was found, errors first.

    Attributes:
        findings: Empty when nothing was.
        seconds: How long it took.
    """

    findings: tuple[Finding, ...] = ()
    seconds: float

    @property
    def error(self) -> Finding | None:
        """The first error, or None."""
        return next((one for one in self.findings if one.severity == "error"), None)
