"""Conditions that have to do with time: how long ago, how much more, and new.

As in `conditions`; whoever looks back remembers ``window`` seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from .conditions import Found, Series
from .past import Past

__all__ = ("Age", "Growth", "New", "seconds")


@dataclass(frozen=True)
class Age:
    """Seconds since the moment that a series tells of."""

    in_parts: ClassVar[bool] = True
    moment: Series

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"time() - {self.moment.promql}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        return {at: past.now - v for at, v in self.moment.of(past).items()}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield self.moment


@dataclass(frozen=True)
class Growth:
    """By how much a counter has grown in the last seconds.

    Against the smallest value then, so that one that begins anew is not taken for a growth, and one
    that has been there before we looked is none either.
    """

    in_parts: ClassVar[bool] = True
    counter: Series
    window: float

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        text = self.counter.promql
        return f"{text} - min_over_time({text}[{seconds(self.window)}])"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        least = self.counter.least(past, self.window)
        return {at: v - least[at] for at, v in self.counter.of(past).items() if at in least}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield Series(self.counter.name, self.counter.where, self.window)


@dataclass(frozen=True)
class New:
    """A counter that did not exist so many seconds ago: it begins with the first of what it counts.

    `Growth` does not see that one.
    """

    counter: Series
    window: float

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        text = self.counter.promql
        return f"({text} unless {text} offset {seconds(self.window)})"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        before = self.counter.ago(past, self.window)
        return {at: v for at, v in self.counter.of(past).items() if at not in before}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield Series(self.counter.name, self.counter.where, self.window)


def seconds(number: float) -> str:
    """As Prometheus writes it: ``5m``, ``90s``."""
    whole = round(number)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}s"
