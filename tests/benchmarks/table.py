"""A figure, its target and whether it holds: `Row`; many of them: `print_table`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ("Row", "Spread", "print_table")


@dataclass(frozen=True)
class Spread:
    """Some measurements of one thing.

    Attributes:
        values: In the order they were taken.
        unit: Such as ``s``.
    """

    values: tuple[float, ...]
    unit: str

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{self.median:.3g} {self.unit} ({low:.3g}-{high:.3g}, n={len(self.values)})"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What is measured.
        ours: Our measurements; None when it could not be measured.
        peer: The peer's, taken in turn with ours.
        target: The target in words.
        holds: Whether it is met; None when not measured.
        why: Why it was not measured.
    """

    name: str
    ours: Spread | None = None
    peer: Spread | None = None
    target: str = ""
    holds: bool | None = None
    why: str = ""


def pairs(ours: Spread, peer: Spread, of: str) -> float:
    """Median over pairs of ``difference`` or ``ratio``."""
    both = zip(ours.values, peer.values, strict=True)
    if of == "ratio":
        return statistics.median(a / b for a, b in both)
    return statistics.median(a - b for a, b in both)


def print_table(rows: Sequence[Row]) -> int:
    """Print; 1 when a measured row does not hold, else 0."""
    for row in rows:
        if row.ours is None:
            print(f"{row.name}\n    not measured: {row.why}")
            continue
        ratio = f"  ratio {row.ours.median / row.peer.median:.2f}" if row.peer else ""
        print(
            f"{row.name}\n    ours {row.ours}"
            + (f"  peer {row.peer}{ratio}" if row.peer else "")
            + f"  target {row.target}  {'holds' if row.holds else 'DOES NOT HOLD'}"
        )
    measured = [row for row in rows if row.ours is not None]
    failed = [row for row in measured if not row.holds]
    print(
        f"{len(measured)} measured, {len(measured) - len(failed)} hold, {len(failed)} do not, "
        f"{len(rows) - len(measured)} not measured"
    )
    return 1 if failed else 0
