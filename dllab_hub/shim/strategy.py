"""What a strategy means for the processes of a gang: who finds whom, who saves, when it is over.

Pure functions of the plan and the gang; `environment` is where they come together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .replica import Replica

__all__ = (
    "asked_first",
    "coordinates",
    "is_over",
    "leader",
    "ports_needed",
    "saving",
    "strategy_of",
)

_HOST = "127.0.0.1"


def strategy_of(plan: Mapping[str, Any]) -> str:
    """``single``, ``allreduce``, ``ps`` or ``custom``; a server counts as ``single``."""
    return str(plan.get("strategy", "single"))


def ports_needed(plan: Mapping[str, Any], gang: Sequence[Replica]) -> int:
    """How many ports `coordinates` wants."""
    common, each = {"allreduce": (2, 0), "ps": (0, 1), "custom": (2, 1)}.get(
        strategy_of(plan), (0, 0)
    )
    return common + each * len(gang)


def is_over(plan: Mapping[str, Any], gang: Sequence[Replica]) -> bool:
    """Whether all whose success ends the job have succeeded."""
    role = plan.get("success_role")
    return bool(gang) and all(
        one.state == "SUCCEEDED" for one in gang if role is None or one.role == role
    )


def asked_first(plan: Mapping[str, Any], gang: Sequence[Replica]) -> list[Replica]:
    """Who is told to end before the others are: those that the job is about may need them to save.

    The variables of a chief lie on its parameter servers, which SIGTERM ends at once.
    """
    role = plan.get("success_role")
    return [one for one in gang if role is None or one.role == role]


def saving(plan: Mapping[str, Any], gang: Sequence[Replica]) -> list[Replica]:
    """Who may have something to save when the gang is told to end; nobody else is waited for.

    With all-reduce everybody holds the same, and what all ranks save together with
    torch.distributed.checkpoint rank 0 completes: it is the last that has to do. With parameter
    servers the chief saves. Of other programs nothing is known.
    """
    strategy = strategy_of(plan)
    if strategy == "custom":
        return list(gang)
    return asked_first(plan, gang) if strategy == "ps" else list(gang[:1])


def leader(plan: Mapping[str, Any], gang: Sequence[Replica]) -> Replica:
    """Whose reports are those of the job: the chief, or rank 0."""
    return asked_first(plan, gang)[0] if strategy_of(plan) == "ps" else gang[0]


def coordinates(
    plan: Mapping[str, Any], gang: Sequence[Replica], replica: Replica, ports: Sequence[int]
) -> dict[str, str]:
    """Variables by which a process finds the others and knows who it is.

    Args:
        plan: The plan.
        gang: All processes, by rank.
        replica: One of them.
        ports: As many as `ports_needed`.

    Returns:
        Under ``single`` nothing but its GPUs: scripts take ``RANK`` for a word of torchrun, and
        join what is not there.
    """
    strategy = strategy_of(plan)
    if strategy == "single":
        return {"CUDA_VISIBLE_DEVICES": ",".join(replica.gpus)}
    if strategy == "ps":
        return {
            "CUDA_VISIBLE_DEVICES": ",".join(replica.gpus),
            "TF_CONFIG": _tf_config(gang, replica, ports),
        }
    master, jax, *own = ports
    env = {
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(master),
        "RANK": str(replica.rank),
        "WORLD_SIZE": str(len(gang)),
        "DLLAB_BACKEND": _backend(plan),
        "TORCHELASTIC_RUN_ID": plan["id"],
        "TORCHELASTIC_RESTART_COUNT": str(replica.attempt - 1),
        "TORCHELASTIC_MAX_RESTARTS": str(plan["max_restarts"]),
        # Of these JAX itself reads the addresses (it would listen on all of them); the numbers are
        # for the arguments of `jax.distributed.initialize`.
        "JAX_COORDINATOR_ADDRESS": f"{_HOST}:{jax}",
        "JAX_COORDINATOR_BIND_ADDRESS": f"{_HOST}:{jax}",
        "JAX_NUM_PROCESSES": str(len(gang)),
        "JAX_PROCESS_ID": str(replica.rank),
    }
    peers = [one for one in gang if one.role == replica.role]
    env |= {"ROLE_RANK": str(peers.index(replica)), "ROLE_WORLD_SIZE": str(len(peers))}
    if strategy == "custom":
        return env | _own_place(gang, replica, own)
    return env | _one_place(gang, replica)


def _one_place(gang: Sequence[Replica], replica: Replica) -> dict[str, str]:
    """All-reduce: one machine, so all ranks are local.

    As torchrun has it, every process that has GPUs sees all GPUs of the job, by rank, and picks its
    own with ``LOCAL_RANK``.
    """
    visible = list(dict.fromkeys(gpu for one in gang for gpu in one.gpus)) if replica.gpus else []
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(visible),
        "LOCAL_RANK": str(replica.rank),
        "LOCAL_WORLD_SIZE": str(len(gang)),
        "GROUP_RANK": "0",
        **_jax_devices(visible, replica),
    }


def _own_place(gang: Sequence[Replica], replica: Replica, ports: Sequence[int]) -> dict[str, str]:
    """Custom roles: each replica sees its own GPUs only, and is told where all are."""
    own = [one for one in gang if one.replica == replica.replica]
    visible = list(dict.fromkeys(gpu for one in own for gpu in one.gpus))
    addresses: dict[str, list[str]] = {}
    for one, port in zip(gang, ports, strict=True):
        addresses.setdefault(one.role, []).append(f"{_HOST}:{port}")
    replicas = list(dict.fromkeys(one.replica for one in gang))
    return {
        "CUDA_VISIBLE_DEVICES": ",".join(visible),
        "LOCAL_RANK": str(replica.place),
        "LOCAL_WORLD_SIZE": str(replica.processes),
        "GROUP_RANK": str(replicas.index(replica.replica)),
        "DLLAB_ADDRESSES": json.dumps(addresses),
        "DLLAB_ADDRESS": f"{_HOST}:{ports[replica.rank]}",
        **_jax_devices(visible, replica),
    }


def _jax_devices(visible: Sequence[str], replica: Replica) -> dict[str, str]:
    """Which of the GPUs that it sees are a process's own, where it sees others' too."""
    own = [str(visible.index(gpu)) for gpu in replica.gpus]
    return {"JAX_LOCAL_DEVICE_IDS": ",".join(own)} if 0 < len(own) < len(visible) else {}


def _tf_config(gang: Sequence[Replica], replica: Replica, ports: Sequence[int]) -> str:
    cluster: dict[str, list[str]] = {}
    for one, port in zip(gang, ports, strict=True):
        cluster.setdefault(one.role, []).append(f"{_HOST}:{port}")
    task = {"type": replica.role, "index": replica.index}
    return json.dumps({"cluster": cluster, "task": task})


def _backend(plan: Mapping[str, Any]) -> str:
    """``nccl`` when there is a GPU for each process: two cannot share one with it."""
    enough = all(role["gpus"] >= (role.get("processes") or 1) for role in plan["roles"])
    return "nccl" if enough else "gloo"
