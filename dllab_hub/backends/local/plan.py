"""What a shim is told to run: the part of ``plan.json`` that follows from the wish alone."""

from __future__ import annotations

from typing import Any

from ...specs import Code, TrainingSpec

__all__ = ("plan_of", "program")


def program(code: Code, python: str) -> list[str]:
    """The words that every replica runs in the workspace; no shell reads them.

    >>> program(Code(source="1", args=("--lr", "0.1")), "/env/bin/python")
    ['/env/bin/python', 'train.py', '--lr', '0.1']
    """
    # A name that begins with a dash would be an option.
    filename = f"./{code.filename}" if code.filename.startswith("-") else code.filename
    start = {
        "script": [python, filename],
        "module": [python, "-m", code.module],
        "shell": ["bash", filename],
        "command": [],
    }[code.kind]
    return [*start, *code.args]


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
        "program": program(spec.code, python),
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
