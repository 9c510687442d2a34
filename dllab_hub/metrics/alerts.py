"""`Engine`: which alerts there are, moment by moment, exactly as Prometheus would have it.

An alert is pending from the moment its condition is true, and fires when that has been so for as
long as its rule says. When the condition is no longer true, or its series is gone, it ends: one
that has fired is kept as resolved for some minutes, one that was pending is forgotten. Nothing here
looks at a clock.

While something cannot be measured, its alerts stay as they are; one that was pending begins anew
when that took longer than Prometheus would remember a value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .past import LOOKBACK, Labels, Past
from .rules import RULES, Kind, Rule
from .samples import Sample

__all__ = ("KEPT", "Engine", "Standing")

#: Seconds for which one that is resolved is kept.
KEPT = 900.0


@dataclass(frozen=True)
class Standing:
    """One alert.

    Attributes:
        rule: Name.
        labels: Of the series.
        state: As in `Alert`.
        value: Of the series; the last one when it is resolved.
        since: Since when it is so, seconds since the epoch.
        fired: When it began to fire.
        resolved: When it was over.
    """

    rule: str
    labels: Labels
    state: Literal["pending", "firing", "resolved"]
    value: float
    since: float
    fired: float | None = None
    resolved: float | None = None

    @property
    def id(self) -> str:
        """The same for the same rule and series."""
        text = json.dumps(self.labels)
        return f"{self.rule}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"

    def to_wire(self) -> dict[str, Any]:
        """As JSON types, for `from_wire` after a restart."""
        return {**vars(self), "labels": dict(self.labels)}

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Standing:
        """What `to_wire` has made.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        labels = tuple(sorted((str(k), str(v)) for k, v in data["labels"].items()))
        made = cls(**{**data, "labels": labels})
        times = made.value, made.since, *(each for each in (made.fired, made.resolved) if each)
        if not isinstance(made.rule, str) or not all(isinstance(t, int | float) for t in times):
            raise TypeError("a name, a time or a value of an alert is something else")
        needed = {"pending": (), "firing": (made.fired,), "resolved": (made.fired, made.resolved)}
        if None in needed[made.state]:
            raise ValueError(f"an alert is {made.state}, and it is not said since when")
        return made


class Engine:
    """Evaluates rules over samples, whenever it is given some.

    Args:
        rules: May be changed at any time; an alert whose rule is gone or off ends.
        standing: What was known before a restart.
        looked: And when things of each kind were last measured then, seconds since the epoch.
    """

    def __init__(
        self,
        rules: Iterable[Rule] = RULES,
        standing: Iterable[Standing] = (),
        looked: Mapping[Kind, float] | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self._standing = {each.id: each for each in standing}
        self._looked = dict(looked or {})
        #: What is known from before a restart only, and since when kinds are measured after it.
        self._restored = set(self._standing)
        self._began: dict[Kind, float] = {}
        #: Kinds that were not measured the last time.
        self._missed: set[Kind] = {rule.kind for rule in RULES}
        windows: dict[str, float] = {}
        for rule in RULES:  # All of them: one that is off may be turned on.
            for series in rule.condition.series():
                windows[series.name] = max(series.window, windows.get(series.name, 0.0))
        self._past = Past(windows)

    @property
    def standing(self) -> tuple[Standing, ...]:
        """All alerts as of the last moment."""
        return tuple(self._standing.values())

    @property
    def looked(self) -> Mapping[Kind, float]:
        """When things of each kind were last measured, seconds since the epoch."""
        return dict(self._looked)

    def restart(self, id: str, now: float) -> None:
        """An alert begins anew: what it is about is another's now."""
        before = self._standing[id]
        self._standing[id] = replace(before, state="pending", since=now, fired=None, resolved=None)

    def observe(
        self, samples: Iterable[Sample], now: float, held: Collection[Kind] = ()
    ) -> tuple[Standing, ...]:
        """What is measured at the next moment, and what alerts there are then.

        Args:
            samples: Everything; what is not among them is gone.
            now: Seconds since the epoch.
            held: Kinds of which nothing can be measured: their alerts stay as they are.
        """
        self._past.add(samples, now, _series(held))
        self._measured({rule.kind for rule in self.rules} - set(held), now)
        self._missed |= set(held)
        rules = {rule.name: rule for rule in self.rules}
        after: dict[str, Standing] = {}
        for rule in self.rules:
            if rule.off or rule.kind in held:
                continue
            for labels, value in rule.condition.of(self._past).items():
                found = Standing(rule.name, labels, "pending", value, now)
                before = self._standing.get(found.id)
                after[found.id] = _goes_on(before, found, rule.hold, now)
        for id, before in self._standing.items():
            if id in after:
                continue
            if self._stays(before, rules.get(before.rule), held, now):
                after[id] = before
            elif (ended := _ended(before, now)) is not None:
                after[id] = ended
        self._standing = after
        return self.standing

    def _measured(self, kinds: Collection[Kind], now: float) -> None:
        """Things of these kinds are measured again: nobody knows how they were meanwhile."""
        long = {k for k in self._missed & set(kinds) if now - self._looked.get(k, now) > LOOKBACK}
        names = {rule.name for rule in self.rules if rule.kind in long}
        for id, each in self._standing.items():
            if each.state == "pending" and each.rule in names:
                self._standing[id] = replace(each, since=now)
        for kind in kinds:
            self._looked[kind] = now
            self._began.setdefault(kind, now)
            self._missed.discard(kind)

    def _stays(
        self, before: Standing, rule: Rule | None, held: Collection[Kind], now: float
    ) -> bool:
        """Whether it cannot be said that its condition is no longer true."""
        if rule is None or rule.off or before.state == "resolved":
            return False
        if rule.kind in held:
            return True
        window = max((series.window for series in rule.condition.series()), default=0.0)
        return before.id in self._restored and now - self._began[rule.kind] < window


def _series(kinds: Collection[Kind]) -> set[str]:
    """Metrics of which rules of these kinds are made."""
    made = (rule for rule in RULES if rule.kind in kinds)
    return {series.name for rule in made for series in rule.condition.series()}


def _goes_on(before: Standing | None, found: Standing, hold: float, now: float) -> Standing:
    """An alert whose condition is true."""
    if before is None or before.state == "resolved":
        before = found
    # A clock that was set back must not keep it pending for as long.
    after = replace(before, value=found.value, since=min(before.since, now))
    if after.state == "pending" and now - after.since >= hold:
        return replace(after, state="firing", fired=now)
    return after


def _ended(before: Standing, now: float) -> Standing | None:
    """An alert whose condition is no longer true; None: it is forgotten."""
    if before.state == "pending":
        return None
    if before.state == "firing":
        return replace(before, state="resolved", resolved=now)
    return before if now - (before.resolved or 0.0) <= KEPT else None
