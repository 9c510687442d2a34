"""`Signals`: what a deployment's load is, for whoever decides on its number of replicas.

A number that is missing is not a number that is 0: when the source of a signal vanishes (the
balancer is started anew, the GPUs cannot be read), its last value is held, and says that it is and
how old it is. Nothing scales down because somebody stopped measuring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..specs import Deployment, Gpu
from .samples import Sample, owner_hash

__all__ = ("Kind", "Load", "Signal", "Signals")

#: Requests that are answered or wait, those that wait for each replica that answers, seconds of an
#: answer, and the share of time in which the GPUs of its replicas compute.
Kind = Literal["inflight", "queue", "latency", "gpu"]
_NAMES: Mapping[Kind, str] = {
    "inflight": "inflight",
    "queue": "queue",
    "latency": "latency_seconds",
    "gpu": "gpu_utilization_ratio",
}


@dataclass(frozen=True)
class Signal:
    """One number.

    Attributes:
        value: In requests, seconds or a share.
        time: When it was measured, seconds since the epoch.
        held: Whether it is the last one of a source that has vanished.
    """

    value: float
    time: float
    held: bool = False

    def age(self, now: float) -> float:
        """Seconds since it was measured."""
        return max(now - self.time, 0.0)


#: What is known of one deployment.
Load = Mapping[Kind, Signal]


class Signals:
    """Remembers the last value of each signal of each deployment, while there is the deployment."""

    def __init__(self) -> None:
        self._loads: dict[tuple[str, str], dict[Kind, Signal]] = {}

    def observe(
        self, deployments: Iterable[Deployment], gpus: Iterable[Gpu], now: float
    ) -> Mapping[tuple[str, str], Load]:
        """What is measured now, and of what is not the last value.

        Args:
            deployments: All there are; of one that is gone everything is forgotten.
            gpus: With whose processes there are on them; none when they cannot be read.
            now: Seconds since the epoch.

        Returns:
            By owner and name.
        """
        by_owner = _gpu_loads(gpus)
        loads: dict[tuple[str, str], dict[Kind, Signal]] = {}
        for each in deployments:
            key = each.owner, each.name
            before = self._loads.get(key, {})
            held = {kind: replace(signal, held=True) for kind, signal in before.items()}
            found = dict(_measured(each))
            if key in by_owner:
                found["gpu"] = by_owner[key]
            loads[key] = {**held, **{kind: Signal(v, now) for kind, v in found.items()}}
        self._loads = loads
        return loads

    def samples(self, now: float) -> Iterator[Sample]:
        """The same for Prometheus; a value that is held has an age."""
        for (owner, name), load in self._loads.items():
            at = {"endpoint": f"{owner_hash(owner)}/{name}"}
            for kind, signal in load.items():
                yield Sample(f"dllab_endpoint_signal_{_NAMES[kind]}", signal.value, at)
                labels = {**at, "signal": kind}
                yield Sample("dllab_endpoint_signal_age_seconds", signal.age(now), labels)
                yield Sample("dllab_endpoint_signal_held", signal.held, labels)


def _measured(deployment: Deployment) -> Iterator[tuple[Kind, float]]:
    traffic = deployment.traffic
    if traffic is None:
        return
    yield "inflight", float(traffic.waiting)
    if deployment.ready:
        # A replica computes one answer at a time; what is more than that waits.
        yield "queue", max(traffic.waiting - deployment.ready, 0) / deployment.ready
    if traffic.latency is not None:
        yield "latency", traffic.latency


def _gpu_loads(gpus: Iterable[Gpu]) -> dict[tuple[str, str], float]:
    """Mean load of the GPUs on which each deployment has a process."""
    loads: dict[tuple[str, str], list[float]] = {}
    for gpu in gpus:
        whose = {
            (process.holder.owner, process.holder.name)
            for process in gpu.processes or ()
            if process.holder is not None and process.holder.kind == "deployment"
        }
        for key in whose:
            if gpu.utilization is not None:
                loads.setdefault(key, []).append(gpu.utilization)
    return {key: sum(each) / len(each) for key, each in loads.items()}
