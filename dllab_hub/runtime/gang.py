"""`Gang`: a replica in a pod, and the environment of each of its processes.

The addresses of all replicas are known from their names, so nobody is asked for them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ("Gang", "environment")

#: Every pod has an address of its own, so that all can use the same ports.
_MASTER, _JAX, _OWN = 29500, 29501, 29510
#: What sizes the pools of threads: of OpenMP and the linear algebra, and of TensorFlow.
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_CONTRACT = ("DLLAB_GANG", "DLLAB_RESTARTS", "DLLAB_RUN")


@dataclass(frozen=True)
class Gang:
    """What a replica knows of itself and of the others.

    Attributes:
        about: As ``manifests.gang.gang`` has it.
        role: Its role.
        index: Its number within the role.
        attempt: From 1.
        run: Directory of the job, the same for all replicas and attempts.
        workspace: Where the code runs.
        volumes: As in ``DLLAB_VOLUMES``.
    """

    about: Mapping[str, Any]
    role: Mapping[str, Any]
    index: int
    attempt: int
    run: Path
    workspace: Path
    volumes: Mapping[str, Any]

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Gang:
        """From the environment of the container; Kubernetes sets ``JOB_COMPLETION_INDEX``."""
        about = json.loads(env["DLLAB_GANG"])
        return cls(
            about=about,
            role=next(role for role in about["roles"] if role["name"] == env["DLLAB_ROLE"]),
            index=int(env.get("JOB_COMPLETION_INDEX", "0")),
            attempt=int(env.get("DLLAB_RESTARTS") or "0") + 1,
            run=Path(env["DLLAB_RUN"]),
            workspace=Path(env["DLLAB_WORKSPACE"]),
            volumes=json.loads(env.get("DLLAB_VOLUMES", "{}")),
        )

    @property
    def processes(self) -> int:
        """How many this replica has."""
        return int(self.role["processes"])

    @property
    def folders(self) -> list[Path]:
        """Directories that must be there before the code runs."""
        return [self.run / name for name in ("checkpoints", "tensorboard", "reports")]

    def host(self, role: Mapping[str, Any], index: int) -> str:
        """Where a replica is reached."""
        return f"{role['host']}-{index}.{self.about['domain']}"

    def addresses(self) -> dict[str, list[str]]:
        """``host:port`` of every process, by role."""
        return {
            role["name"]: [
                f"{self.host(role, index)}:{_OWN + place}"
                for index in range(role["replicas"])
                for place in range(role["processes"])
            ]
            for role in self.about["roles"]
        }


def environment(gang: Gang, place: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: the container's own, and the worker's contract.

    The same words as on one machine (``shim.environment``), and torchrun's for all-reduce
    (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables).

    Args:
        gang: Its replica.
        place: Its number within the replica.
        inherited: The container's environment.
    """
    before = 0
    for role in gang.about["roles"]:
        if role is gang.role:
            break
        before += role["replicas"] * role["processes"]
    rank = before + gang.index * gang.processes + place
    name = f"{gang.role['name']}-{gang.index}"
    if gang.processes > 1:
        name = f"{name}.{place}"
    env = {key: value for key, value in inherited.items() if key not in _CONTRACT}
    if gang.role["cpus"] is not None:
        # A container sees all cores of its node, however few it asked for.
        for key in _THREADS:
            env.setdefault(key, str(max(1, int(gang.role["cpus"] / gang.processes))))
    return env | {
        "DLLAB_JOB_ID": gang.about["id"],
        "DLLAB_ROLE": gang.role["name"],
        "DLLAB_REPLICA": str(gang.index),
        "DLLAB_PROCESS": str(place),
        "DLLAB_ATTEMPT": str(gang.attempt),
        "DLLAB_RANK": str(rank),
        "DLLAB_CHECKPOINT_DIR": str(gang.run / "checkpoints"),
        "DLLAB_TENSORBOARD_DIR": str(gang.run / "tensorboard"),
        "DLLAB_REPORT": str(gang.run / "reports" / f"{name}.json"),
        **_coordinates(gang, place, rank),
    }


def _coordinates(gang: Gang, place: int, rank: int) -> dict[str, str]:
    strategy = gang.about["strategy"]
    if strategy == "single":
        return {}
    if strategy == "ps":
        task = {"type": gang.role["name"], "index": gang.index}
        return {"TF_CONFIG": json.dumps({"cluster": gang.addresses(), "task": task})}
    roles = gang.about["roles"]
    world = sum(role["replicas"] * role["processes"] for role in roles)
    first = gang.host(roles[0], 0)
    groups = [(role["name"], n) for role in roles for n in range(role["replicas"])]
    enough = all(role["gpus"] >= role["processes"] for role in roles)
    env = {
        "MASTER_ADDR": first,
        "MASTER_PORT": str(_MASTER),
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(place),
        "LOCAL_WORLD_SIZE": str(gang.processes),
        "GROUP_RANK": str(groups.index((gang.role["name"], gang.index))),
        "ROLE_RANK": str(gang.index * gang.processes + place),
        "ROLE_WORLD_SIZE": str(gang.role["replicas"] * gang.processes),
        "DLLAB_BACKEND": "nccl" if enough else "gloo",
        "TORCHELASTIC_RUN_ID": gang.about["id"],
        "TORCHELASTIC_RESTART_COUNT": str(gang.attempt - 1),
        "TORCHELASTIC_MAX_RESTARTS": str(gang.about["max_restarts"]),
        "JAX_COORDINATOR_ADDRESS": f"{first}:{_JAX}",
        "JAX_NUM_PROCESSES": str(world),
        "JAX_PROCESS_ID": str(rank),
    }
    if strategy == "custom":
        addresses = gang.addresses()
        own = addresses[gang.role["name"]][gang.index * gang.processes + place]
        env |= {"DLLAB_ADDRESSES": json.dumps(addresses), "DLLAB_ADDRESS": own}
    return env
