"""What a shim is told to run: the part of ``plan.json`` that follows from the wish alone."""

from __future__ import annotations

from typing import Any

from ...specs import TrainingSpec

__all__ = ("plan_of",)


def plan_of(spec: TrainingSpec, python: str) -> dict[str, Any]:
    """The keys that are the same for every launch.

    Args:
        spec: The wish.
        python: Interpreter of the job.
    """
    return {
        "name": spec.name,
        "strategy": spec.strategy,
        "python": python,
        "program": spec.code.program(python),
        "env": spec.env,
        "roles": [
            {
                "name": role.name,
                "replicas": role.replicas,
                "gpus": role.gpus,
                "processes": spec.processes_of(role),
                "cpus": role.cpus,
                "memory": role.memory,
                "program": list(role.command) or None,
            }
            for role in spec.roles
        ],
        "success_role": spec.ends_with,
        "max_restarts": spec.max_restarts,
        "checkpoint_every": spec.checkpoint_every,
        "stall_after": spec.stall_after,
        "on_stall": spec.on_stall,
    }
