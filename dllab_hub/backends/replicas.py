"""The names of a job's replicas, which their logs have too."""

from __future__ import annotations

from ..specs import TrainingSpec

__all__ = ("replica_names",)


def replica_names(spec: TrainingSpec) -> list[str]:
    """As `ReplicaStatus.name`: ``worker-0``, or ``worker-0.1`` of one with several processes."""
    names = []
    for role in spec.roles:
        count = spec.processes_of(role)
        for index in range(role.replicas):
            stem = f"{role.name}-{index}"
            names += [stem] if count == 1 else [f"{stem}.{process}" for process in range(count)]
    return names
