"""Times, sizes and columns, as people read them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ("age", "columns", "cut", "duration", "size", "speed")


def age(seconds: float) -> str:
    """A duration as people say it.

    >>> age(5), age(75), age(7260), age(200000)
    ('5 s', '1 min', '2 h 1 min', '2 d 7 h')
    """
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 1 else f"{days} d {hours % 24} h"


def size(count: int) -> str:
    """Bytes with a unit.

    >>> size(512), size(80 * 2**30)
    ('512 B', '80.0 GiB')
    """
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.1f} {unit}" if unit != "B" else f"{count} B"
        amount /= 1024
    return f"{amount:.1f} TiB"


def duration(seconds: float) -> str:
    """A short time with a unit.

    >>> duration(0.00042), duration(0.0312), duration(2.5)
    ('0.42 ms', '31 ms', '2.5 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.2g} ms" if seconds < 0.01 else f"{seconds * 1e3:.0f} ms"


def speed(steps: float) -> str:
    """Steps a second, or the seconds of one, as people say it.

    >>> speed(2.54), speed(0.05)
    ('2.54 steps/s', '20 s a step')
    """
    if steps <= 0:
        return ""
    return f"{steps:.3g} steps/s" if steps >= 0.1 else f"{1 / steps:.3g} s a step"


def cut(text: str, most: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of the same length as left-aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
