"""`DeploymentRecord`: one deployment in memory, and what each of its versions has answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, quantiles
from typing import Any

from ..specs import (
    Deployment,
    DeploymentReplica,
    DeploymentState,
    Event,
    ReplicaState,
    Traffic,
    VersionTraffic,
)
from ..specs.tally import LATENCIES, Tally

__all__ = ("DeploymentRecord",)

#: Answers of a canary before it is judged.
_ENOUGH = 20
#: Answers whose seconds are kept.
_KEPT = 1024


@dataclass
class _Answers:
    """Of one version."""

    requests: int = 0
    failed: int = 0
    well: list[float] = field(default_factory=list)  # Seconds of those that did not fail.
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def percentiles(self) -> dict[str, float | None]:
        if not self.seconds:
            return {"p50": None, "p95": None, "p99": None}
        cuts = quantiles([*self.seconds, self.seconds[-1]], n=100, method="inclusive")
        return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}

    def tally(self) -> Tally:
        return Tally(
            requests=self.requests,
            failed=self.failed,
            seconds=sum(self.well),
            within=tuple(sum(one <= most for one in self.well) for most in LATENCIES),
        )


@dataclass
class DeploymentRecord:
    """What `MemoryServing` knows of one deployment.

    Attributes:
        deployment: As it is now.
        clock: Seconds since the epoch.
        logs: Of each replica and of the ``balancer``.
        events: Oldest first.
        broken: Versions that answer with 500.
        slow: Versions whose answers take so many seconds.
    """

    deployment: Deployment
    clock: Callable[[], float]
    logs: dict[str, bytearray] = field(default_factory=lambda: {"balancer": bytearray()})
    events: list[Event] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    slow: dict[int, float] = field(default_factory=dict)
    _number: int = 0  # Of the newest replica; none is used twice.
    _answers: dict[int, _Answers] = field(default_factory=dict)

    def update(self, **values: Any) -> Deployment:
        """The deployment with other values."""
        self.deployment = self.deployment.model_copy(update=values)
        self.deployment = self.deployment.model_copy(update={"versions": self._versions()})
        return self.deployment

    def fill(self, kept: Sequence[DeploymentReplica]) -> Deployment:
        """As many replicas of each version as are wished for: the newest of these, and new ones."""
        there = self.deployment
        wished = {there.version: there.wished}
        if there.canary is not None:
            wished[there.canary.version] = there.canary.replicas
        replicas: list[DeploymentReplica] = []
        for version, count in wished.items():
            have = [one for one in kept if one.version == version]
            replicas += have[max(0, len(have) - count) :]
        for version, count in wished.items():
            for _ in range(count - sum(one.version == version for one in replicas)):
                replicas.append(self._replica(version))
        self.update(replicas=tuple(replicas))
        return self.change(DeploymentState.READY, ReplicaState.READY)

    def change(self, state: DeploymentState, of_each: ReplicaState, reason: str = "") -> Deployment:
        """All replicas are in one state, and the deployment in that one."""
        replicas = tuple(
            replica.model_copy(update={"state": of_each, "reason": reason})
            for replica in self.deployment.replicas
        )
        ready = len(replicas) if of_each is ReplicaState.READY else 0
        self.update(state=state, reason=reason, replicas=replicas, ready=ready)
        self.say(state.value.capitalize(), reason or f"{ready} replicas answer.")
        return self.deployment

    def count(self, version: int, status: int, seconds: float) -> None:
        """One more answer; a canary that does worse than it may is rolled back by it."""
        seen = self._answers.setdefault(version, _Answers())
        seen.requests += 1
        seen.failed += status >= 500
        seen.seconds.append(seconds)
        if status < 500:
            seen.well.append(seconds)
        traffic = self.deployment.traffic or Traffic()
        everybody = [each for one in self._answers.values() for each in one.seconds]
        told = {
            "requests": traffic.requests + 1,
            "rejected": traffic.rejected + (400 <= status < 500),
            "failed": traffic.failed + (status >= 500),
            "latency": fmean(everybody),
        }
        self.update(traffic=traffic.model_copy(update=told))
        if worse := self._worse():
            self.end_canary(worse)

    def end_canary(self, why: str) -> Deployment:
        """The canary answers nothing more."""
        self.say("RolledBack", why)
        self.update(canary=None)
        return self.fill(self.deployment.replicas)

    def forget(self, version: int) -> None:
        """What a version has answered before it begins anew counts no more."""
        self._answers.pop(version, None)

    def say(self, reason: str, message: str) -> None:
        """One more event."""
        self.events.append(Event(time=self.clock(), reason=reason, message=message))

    def _replica(self, version: int) -> DeploymentReplica:
        self._number += 1
        name = f"replica-{self._number}"
        self.logs[name] = bytearray(f"{name} serves {self.deployment.name}.\n".encode())
        return DeploymentReplica(
            name=name, version=version, state=ReplicaState.READY, started=self.clock()
        )

    def _versions(self) -> tuple[VersionTraffic, ...]:
        there = self.deployment
        part = there.canary.percent if there.canary is not None else 0
        parts = {there.version: 100 - part}
        if there.canary is not None:
            parts[there.canary.version] = part
        return tuple(self._version(version, percent) for version, percent in parts.items())

    def _version(self, version: int, percent: int) -> VersionTraffic:
        seen = self._answers.get(version, _Answers())
        ready = sum(
            one.version == version and one.state is ReplicaState.READY
            for one in self.deployment.replicas
        )
        return VersionTraffic(
            version=version,
            percent=percent,
            ready=ready,
            requests=seen.requests,
            failed=seen.failed,
            tally=seen.tally(),
            **seen.percentiles(),
        )

    def _worse(self) -> str:
        """Why the canary is to be rolled back, or empty."""
        there, canary = self.deployment, self.deployment.canary
        seen = self._answers.get(canary.version) if canary is not None else None
        if canary is None or seen is None or seen.requests < _ENOUGH:
            return ""
        name = f"version {canary.version} was rolled back"
        if canary.max_errors is not None and seen.failed > canary.max_errors * seen.requests:
            most = f"{canary.max_errors * 100:g}%"
            return f"{name}: {seen.failed} of its {seen.requests} answers failed, over {most}."
        other = self._answers.get(there.version)
        if canary.max_slowdown is None or other is None or other.requests < _ENOUGH:
            return ""
        times = fmean(seen.seconds) / max(fmean(other.seconds), 1e-9)
        if times <= canary.max_slowdown:
            return ""
        most = f"{canary.max_slowdown:g} times"
        return (
            f"{name}: it takes {times:.1f} times as long as version {there.version}, over {most}."
        )
