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
_MASTER, _JAX, _FIRST_PORT = 29500, 29501, 29510
#: What sizes the pools of threads: of OpenMP and the linear algebra, and of TensorFlow.
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
#: What the launcher is told, and the code need not know.
_OWN = ("DLLAB_GANG", "DLLAB_RESTARTS", "DLLAB_RUN", "DLLAB_FIRST_ATTEMPT", "DLLAB_GRACE")
#: So a person's variables are called in the container, where they are not the launcher's own.
_PERSONS = "DLLAB_ENV_"
#: Seconds that the code has to end when nobody says how many.
_GRACE = 20.0


@dataclass(frozen=True)
class Gang:
    """What a replica knows of itself and of the others.

    Attributes:
        about: As ``manifests.gang.gang`` has it.
        role: Its role.
        index: Its number within the role.
        attempt: From 1, over all launches of the job.
        first_attempt: Number that the first attempt of this launch had.
        run: Directory of the job, the same for all replicas and attempts.
        workspace: Where the code runs.
        tensorboard: Where its event files belong.
        volumes: As in ``DLLAB_VOLUMES``.
        grace: Seconds that the code has to end when the pod is told to.
        gpus: UUIDs of its GPUs, where the device plugin names them.
    """

    about: Mapping[str, Any]
    role: Mapping[str, Any]
    index: int
    attempt: int
    first_attempt: int
    run: Path
    workspace: Path
    tensorboard: Path
    volumes: Mapping[str, Any]
    grace: float
    gpus: tuple[str, ...] = ()

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Gang:
        """From the environment of the container; Kubernetes sets ``JOB_COMPLETION_INDEX``."""
        about = json.loads(env["DLLAB_GANG"])
        first, run = int(env.get("DLLAB_FIRST_ATTEMPT") or "1"), Path(env["DLLAB_RUN"])
        visible = env.get("NVIDIA_VISIBLE_DEVICES", "").split(",")
        return cls(
            about=about,
            role=next(role for role in about["roles"] if role["name"] == env["DLLAB_ROLE"]),
            index=int(env.get("JOB_COMPLETION_INDEX", "0")),
            attempt=first + int(env.get("DLLAB_RESTARTS") or "0"),
            first_attempt=first,
            run=run,
            workspace=Path(env["DLLAB_WORKSPACE"]),
            tensorboard=Path(env.get("DLLAB_TENSORBOARD_DIR") or run / "tensorboard"),
            volumes=json.loads(env.get("DLLAB_VOLUMES", "{}")),
            grace=float(env.get("DLLAB_GRACE") or _GRACE),
            gpus=tuple(word for word in visible if word.startswith(("GPU-", "MIG-"))),
        )

    @property
    def processes(self) -> int:
        """How many this replica has."""
        return int(self.role["processes"])

    @property
    def folders(self) -> list[Path]:
        """Directories that must be there before the code runs."""
        own = [self.run / name for name in ("checkpoints", "reports", "attempts")]
        return [*own, self.tensorboard]

    @property
    def name(self) -> str:
        """``worker-0``: of this replica."""
        return f"{self.role['name']}-{self.index}"

    def rank(self, place: int) -> int:
        """Number within the gang of a process of this replica."""
        before = 0
        for role in self.about["roles"]:
            if role is self.role:
                break
            before += role["replicas"] * role["processes"]
        return int(before + self.index * self.processes + place)

    def host(self, role: Mapping[str, Any], index: int) -> str:
        """Where a replica is reached."""
        return f"{role['host']}-{index}.{self.about['domain']}"

    def addresses(self) -> dict[str, list[str]]:
        """``host:port`` of every process, by role."""
        return {
            role["name"]: [
                f"{self.host(role, index)}:{_FIRST_PORT + place}"
                for index in range(role["replicas"])
                for place in range(role["processes"])
            ]
            for role in self.about["roles"]
        }


def environment(gang: Gang, place: int, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process: the container's own, the person's, and the worker's contract.

    The same words as on one machine (``shim.environment``), and torchrun's for all-reduce
    (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables).

    Args:
        gang: Its replica.
        place: Its number within the replica.
        inherited: The container's environment.
    """
    rank = gang.rank(place)
    name = gang.name if gang.processes == 1 else f"{gang.name}.{place}"
    persons = {key: value for key, value in inherited.items() if key.startswith(_PERSONS)}
    env = {key: value for key, value in inherited.items() if key not in {*_OWN, *persons}}
    env |= {key.removeprefix(_PERSONS): value for key, value in persons.items()}
    _size_threads(env, gang)
    return env | {
        "PYTHONUNBUFFERED": "1",
        "DLLAB_JOB_ID": gang.about["id"],
        "DLLAB_ROLE": gang.role["name"],
        "DLLAB_REPLICA": str(gang.index),
        "DLLAB_PROCESS": str(place),
        "DLLAB_ATTEMPT": str(gang.attempt),
        "DLLAB_RANK": str(rank),
        "DLLAB_CHECKPOINT_DIR": str(gang.run / "checkpoints"),
        "DLLAB_TENSORBOARD_DIR": str(gang.tensorboard),
        "DLLAB_REPORT": str(gang.run / "reports" / f"{name}.json"),
        **_coordinates(gang, place, rank),
    }


def _size_threads(env: dict[str, str], gang: Gang) -> None:
    """Thread pools as large as a process's share of the CPUs, where nobody has said otherwise.

    A container sees all cores of its node, however few it asked for.
    """
    if gang.role["cpus"] is not None:
        for key in _THREADS:
            env.setdefault(key, str(max(1, int(gang.role["cpus"] / gang.processes))))
    elif sum(role["replicas"] * role["processes"] for role in gang.about["roles"]) > 1:
        # The pod has asked for one CPU for each process; ranks that each use all cores only fight.
        env.setdefault("OMP_NUM_THREADS", "1")


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
