"""What an alert rule asks: conditions that print themselves as PromQL and answer over samples.

There are a few kinds only. Each means to us what its text means to Prometheus: a property test
compares the two over random series.

>>> hot = Compared(Series("dllab_gpu_temperature_celsius"), ">", 80)
>>> hot.promql
'dllab_gpu_temperature_celsius > 80'
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from .past import Labels, Past

__all__ = (
    "Both",
    "Compared",
    "Condition",
    "Either",
    "Found",
    "Joined",
    "Merged",
    "Ratio",
    "Series",
)

Op = Literal[">", ">=", "==", "<"]
_OPS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
}
#: What is true now, and the value of each: an instant vector in Prometheus' terms.
Found = dict[Labels, float]


class Condition(Protocol):
    """A question, and for whom it is true."""

    @property
    def promql(self) -> str:
        """The same for Prometheus."""

    def of(self, past: Past) -> Found:
        """Labels and value of each series for which it is true at ``past.now``."""

    def series(self) -> Iterator[Series]:
        """Of what it asks, with ``window`` where it looks back."""


@dataclass(frozen=True)
class Series:
    """The series of one metric.

    Attributes:
        name: Of the metric.
        where: Regular expressions that whole values of labels must match.
        window: Seconds that have to be remembered of it.
    """

    name: str
    where: Mapping[str, str] = field(default_factory=dict)
    window: float = 0.0

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        if not self.where:
            return self.name
        said = (
            f'{key}{"=" if re.fullmatch(r"[a-z0-9_]+", value) else "=~"}"{value}"'
            for key, value in self.where.items()
        )
        return f"{self.name}{{{','.join(said)}}}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        return self._chosen(past.value(self.name, past.now))

    def ago(self, past: Past, seconds: float) -> Found:
        """The values that they had then."""
        return self._chosen(past.value(self.name, past.now - seconds))

    def least(self, past: Past, seconds: float) -> Found:
        """The smallest value of each in the last seconds."""
        return self._chosen(past.least(self.name, past.now - seconds))

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield self

    @cached_property
    def _patterns(self) -> tuple[tuple[str, re.Pattern[str]], ...]:
        return tuple((key, re.compile(value)) for key, value in self.where.items())

    def _chosen(self, found: Found) -> Found:
        if not self.where:
            return found
        return {
            labels: value
            for labels, value in found.items()
            if all(pattern.fullmatch(dict(labels).get(key, "")) for key, pattern in self._patterns)
        }


@dataclass(frozen=True)
class Compared:
    """A value against a number."""

    of_what: Condition
    op: Op
    number: float

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"{_inner(self.of_what)} {self.op} {self.number:.12g}"

    def of(self, past: Past) -> Found:
        """As in `Condition`; the value is that of the left side."""
        holds = _OPS[self.op]
        return {at: v for at, v in self.of_what.of(past).items() if holds(v, self.number)}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield from self.of_what.series()


@dataclass(frozen=True)
class Joined:
    """A value against that of another series with the same labels.

    Attributes:
        left: Has the value.
        ignoring: Labels that only the right side has.
    """

    left: Condition
    op: Op
    right: Condition
    ignoring: tuple[str, ...] = ()

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        but = f" ignoring ({', '.join(self.ignoring)})" if self.ignoring else ""
        return f"{_inner(self.left)} {self.op}{but} {_inner(self.right)}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        holds = _OPS[self.op]
        right = {_without(at, self.ignoring): v for at, v in self.right.of(past).items()}
        return {
            at: v for at, v in self.left.of(past).items() if at in right and holds(v, right[at])
        }

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield from self.left.series()
        yield from self.right.series()


@dataclass(frozen=True)
class Ratio:
    """One value divided by another with the same labels; nothing divided by nothing is neither."""

    part: Condition
    whole: Condition

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"{_inner(self.part)} / {_inner(self.whole)}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        whole = self.whole.of(past)
        return {at: _divided(v, whole[at]) for at, v in self.part.of(past).items() if at in whole}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield from self.part.series()
        yield from self.whole.series()


@dataclass(frozen=True)
class Either:
    """True when the first is, or else the second."""

    first: Condition
    second: Condition

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"{self.first.promql} or {self.second.promql}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        return {**self.second.of(past), **self.first.of(past)}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield from self.first.series()
        yield from self.second.series()


@dataclass(frozen=True)
class Both:
    """True when both are, with the value of the first."""

    first: Condition
    second: Condition

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"{self.first.promql} and {self.second.promql}"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        second = self.second.of(past)
        return {at: v for at, v in self.first.of(past).items() if at in second}

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield from self.first.series()
        yield from self.second.series()


@dataclass(frozen=True)
class Merged:
    """Series that differ in one label only, as one: with the largest value."""

    label: str
    parts: Series

    @property
    def promql(self) -> str:
        """As in `Condition`."""
        return f"max without ({self.label}) ({self.parts.promql})"

    def of(self, past: Past) -> Found:
        """As in `Condition`."""
        merged: Found = {}
        for at, value in self.parts.of(past).items():
            whole = _without(at, (self.label,))
            merged[whole] = max(value, merged.get(whole, value))
        return merged

    def series(self) -> Iterator[Series]:
        """As in `Condition`."""
        yield self.parts


def _inner(what: Condition) -> str:
    """In brackets when it consists of parts."""
    return f"({what.promql})" if getattr(what, "in_parts", False) else what.promql


def _without(labels: Labels, names: tuple[str, ...]) -> Labels:
    return tuple((key, value) for key, value in labels if key not in names)


def _divided(part: float, whole: float) -> float:
    """As floating point does: nothing by nothing is no number, and no error."""
    if whole:
        return part / whole
    return part * float("inf") if part else float("nan")
