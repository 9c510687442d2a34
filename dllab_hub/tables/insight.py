"""Curves, comparisons, stacks, matches of a search and notices as plain text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from ..plaintext import inert
from ..specs import (
    CodeDiff,
    Comparison,
    Curve,
    Curves,
    DiffLine,
    LogMatch,
    NoticeSettings,
    Stack,
)
from .amounts import age, columns, cut, size

__all__ = ("comparison_text", "curves_text", "matches_text", "notices_text", "stacks_text")

#: Characters of a value in a comparison, and lines of one file that are shown.
_VALUE, _LINES = 40, 200


def curves_text(curves: Curves) -> str:
    """One line for each curve: where it began, where it is, and between what."""
    if not curves.curves:
        return "\n".join(["no curves yet", *curves.notes])
    rows = [("CURVE", "REPLICA", "POINTS", "FIRST", "LAST", "LOWEST", "HIGHEST")]
    for curve in curves.curves:
        name = f"{curve.run}/{curve.name}" if curve.run else curve.name
        known = [value for value in curve.values if value is not None]
        ends = [curve.values[0], curve.last] if curve.values else [None, None]
        marks = [*ends, min(known, default=None), max(known, default=None)]
        said = [_number(curve, mark) for mark in marks]
        rows.append((name, curve.replica or "-", str(len(curve.values)), *said))  # type: ignore[arg-type]
    lines = [columns(rows)]
    if curves.read < 1:
        lines.append(f"{curves.read:.0%} of the event files has been read so far")
    return inert("\n".join([*lines, *curves.notes]))


def _number(curve: Curve, value: float | None) -> str:
    if value is None:
        return "nan" if curve.values else "-"
    return size(int(value)) if curve.name.endswith("memory") else f"{value:.4g}"


def comparison_text(seen: Comparison) -> str:
    """What differs, field by field, and the lines of code that do."""
    ids = [job.id for job in seen.jobs]
    lines: list[str] = []
    for part in ("spec", "environment", "result"):
        found = [each for each in seen.differences if each.part == part]
        if found:
            rows = [(part.upper(), *ids)]
            rows += [
                (each.field, *(cut("-" if v is None else v, _VALUE) for v in each.values))
                for each in found
            ]
            lines += [columns(rows), ""]
    for diff in seen.code:
        lines += [*_diff(diff, ids[0]), ""]
    if not lines:
        return f"{' and '.join(ids)} are the same."
    return inert("\n".join(lines).rstrip("\n"))


def _diff(diff: CodeDiff, first: str) -> Iterator[str]:
    if diff.binary:
        yield f"{diff.path} of {diff.job} differs from that of {first}"
        return
    yield f"{diff.path}: - {first}, + {diff.job}"
    for line in diff.lines[:_LINES]:
        yield from _rows(line)
    if (more := diff.more + max(len(diff.lines) - _LINES, 0)) > 0:
        yield f"  ... {more} more lines"


def _rows(line: DiffLine) -> Iterator[str]:
    if line.kind == "skipped":
        yield f"  ... {line.before} lines are the same"
    elif line.kind == "same":
        yield f"  {line.left or '':>5}   {line.before}"
    else:
        if line.left is not None:
            yield f"- {line.left:>5}   {line.before}"
        if line.right is not None:
            yield f"+ {line.right:>5}   {line.after}"


def stacks_text(stacks: Sequence[Stack]) -> str:
    """Where each replica is, innermost call first."""
    if not stacks:
        return "it does not run now"
    lines = []
    for stack in stacks:
        waits = ", waits for others" if stack.waits else ""
        lines.append(f"{stack.replica} (pid {stack.pid}){waits}")
        lines += [f"  {stack.error}"] if stack.error else []
        lines += [f"  {frame.file}:{frame.line} {frame.function}" for frame in stack.frames]
    return inert("\n".join(lines))


def matches_text(matches: Sequence[LogMatch]) -> str:
    """The lines that were found, each after its offset in bytes."""
    return inert("\n".join(f"{match.offset}: {match.text}" for match in matches))


def notices_text(settings: NoticeSettings, now: float | None = None) -> str:
    """How one is told, and what was sent of late."""
    now = time.time() if now is None else now
    signed = " (signed)" if settings.has_secret else ""
    email = "none" if settings.can_email else "none (no mail server is set up)"
    lines = [
        f"webhook: {settings.webhook + signed if settings.webhook else 'none'}",
        f"e-mail: {settings.email or email}",
        f"on: {', '.join(settings.on) or 'nothing'}",
    ]
    if settings.secret is not None:
        lines.append(f"secret, shown only now: {settings.secret}")
    if settings.deliveries:
        rows = [("SENT", "JOB", "TELLS", "BY", "STATE", "WHY")]
        rows += [
            (f"{age(now - d.time)} ago", d.job or "-", d.kind, d.by, d.state, d.message)
            for d in settings.deliveries
        ]
        lines.append(columns(rows))
    return inert("\n".join(lines))
