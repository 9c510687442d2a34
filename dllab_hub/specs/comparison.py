"""Runs beside each other: `Comparison`."""

from __future__ import annotations

from typing import Literal

from .curve import Curves
from .job import TrainingJob
from .wire import Value

__all__ = ("CodeDiff", "Comparison", "Difference", "DiffLine")


class Difference(Value):
    """A field in which the jobs differ.

    Attributes:
        part: ``spec``, ``environment`` or ``result``.
        field: Dotted path, such as ``roles.0.replicas``, ``packages.torch`` or ``loss``.
        values: Of each job, as text; None where it has none.
    """

    part: Literal["spec", "environment", "result"]
    field: str
    values: tuple[str | None, ...]


class DiffLine(Value):
    """A line of two files beside each other.

    Attributes:
        kind: ``same``, ``changed`` (both sides), ``removed`` (left only), ``added`` (right only),
            or ``skipped``: equal lines that are left out, ``before`` says how many.
        left: Number of the line in the first file, from 1.
        before: Its text.
        right: Number of the line in the other file.
        after: Its text.
    """

    kind: Literal["same", "changed", "removed", "added", "skipped"]
    left: int | None = None
    before: str = ""
    right: int | None = None
    after: str = ""


class CodeDiff(Value):
    """How a file of the first job differs from that of another one.

    Attributes:
        job: Id of the other one.
        path: Of the file; ``code`` for the submitted source.
        lines: May be cut: see ``more``.
        more: Lines that are left out at the end.
        binary: Whether it is no text, or its content is gone: only that it differs is known.
    """

    job: str
    path: str
    lines: tuple[DiffLine, ...] = ()
    more: int = 0
    binary: bool = False


class Comparison(Value):
    """Two jobs or more beside each other.

    Attributes:
        jobs: In the order asked for; the first is what the others are compared with.
        differences: Fields that are not equal in all.
        code: Files that differ from the first job's.
        curves: Of each job, in the same order; only metrics, not what was used.
    """

    jobs: tuple[TrainingJob, ...]
    differences: tuple[Difference, ...] = ()
    code: tuple[CodeDiff, ...] = ()
    curves: tuple[Curves, ...] = ()
