"""The environment and the command of a replica: the shim's own, the plan's, and the contract."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import CHECKPOINTS, MARKER, REPORTS, WORKSPACE
from .replica import Replica
from .strategy import coordinates

__all__ = ("environment", "program_of", "workspace_of")

#: The service's own credentials are none of a job's business.
_PRIVATE = ("JUPYTERHUB_", "DLLAB_API_")
#: What sizes the pools of threads: of OpenMP and the linear algebra, and of TensorFlow.
_THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
)
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_LOCAL = ("127.0.0.1", "localhost")


def workspace_of(plan: Mapping[str, Any], run: Path) -> Path:
    """Where the code lies and runs."""
    return Path(plan.get("workspace") or run / WORKSPACE)


def program_of(plan: Mapping[str, Any], replica: Replica) -> list[str]:
    """What a replica runs: its role's own program, else the job's."""
    if "command" in plan:
        return list(plan["command"])
    return list(_role(plan, replica).get("program") or plan["program"])


def environment(
    plan: Mapping[str, Any],
    run: Path,
    gang: Sequence[Replica],
    replica: Replica,
    ports: Sequence[int],
    *,
    inherited: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a replica: the shim's own, the plan's ``env``, and the worker's contract.

    All-reduce speaks the environment that torchrun documents
    (https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables), so that a script
    written for torchrun runs unchanged. See `strategy.coordinates` for that and for the others.

    Args:
        plan: The plan.
        run: The job's run directory.
        gang: All processes, by rank.
        replica: One of them.
        ports: As many as `strategy.ports_needed`.
        inherited: The environment of the shim; by default that of this process, which is it.
    """
    inherited = os.environ if inherited is None else inherited
    env = {key: value for key, value in inherited.items() if not key.startswith(_PRIVATE)}
    env |= plan["env"]
    # Tools of the image come first, as after `activate`.
    path = env.get("PATH") or os.defpath
    program = plan["command"][0] if "command" in plan else plan["python"]
    env["PATH"] = f"{Path(program).parent}{os.pathsep}{path}"
    env |= {MARKER: plan["id"], "PYTHONUNBUFFERED": "1"}
    if "command" in plan:
        return env | {"CUDA_VISIBLE_DEVICES": ",".join(replica.gpus)}
    _size_threads(env, _role(plan, replica).get("cpus"), replica, len(gang))
    if len(gang) > 1:
        # Gloo listens on the address of the host's name, which other machines may reach, and goes
        # down with its interface. All ranks are here.
        env.setdefault("GLOO_SOCKET_IFNAME", "lo")
        _keep_proxies_out(env)
    return env | {
        "DLLAB_JOB_ID": plan["id"],
        "DLLAB_ROLE": replica.role,
        "DLLAB_REPLICA": str(replica.index),
        "DLLAB_PROCESS": str(replica.place),
        "DLLAB_ATTEMPT": str(replica.attempt),
        "DLLAB_WORKSPACE": str(workspace_of(plan, run)),
        "DLLAB_CHECKPOINT_DIR": str(run / CHECKPOINTS),
        "DLLAB_CHECKPOINT_EVERY": str(plan["checkpoint_every"]),
        "DLLAB_TENSORBOARD_DIR": str(plan["tensorboard"]),
        "DLLAB_RANK": str(replica.rank),
        "DLLAB_REPORT": str(run / REPORTS / f"{replica.name}.json"),
        "DLLAB_VOLUMES": json.dumps(plan.get("volumes", {})),
        **coordinates(plan, gang, replica, ports),
    }


def _role(plan: Mapping[str, Any], replica: Replica) -> Mapping[str, Any]:
    role: Mapping[str, Any] = next(r for r in plan["roles"] if r["name"] == replica.role)
    return role


def _size_threads(env: dict[str, str], cpus: float | None, replica: Replica, gang: int) -> None:
    """Thread pools as large as a process's share of the CPUs, where nobody has said otherwise."""
    if cpus is not None:
        for name in _THREADS:
            env.setdefault(name, str(max(1, int(cpus / replica.processes))))
    elif gang > 1:
        # As torchrun, a little less strict: n ranks that each use all cores only fight.
        cores = len(os.sched_getaffinity(0))
        env.setdefault("OMP_NUM_THREADS", str(max(1, cores // gang)))


def _keep_proxies_out(env: dict[str, str]) -> None:
    """A proxy must not come between replicas: gRPC (TensorFlow, JAX) would ask it for 127.0.0.1."""
    if not any(key.lower() in _PROXIES and value for key, value in env.items()):
        return
    lower, upper = env.get("no_proxy", ""), env.get("NO_PROXY", "")
    for key, value in (("no_proxy", lower or upper), ("NO_PROXY", upper or lower)):
        hosts = [word.strip() for word in value.split(",") if word.strip()]
        env[key] = ",".join([*hosts, *(host for host in _LOCAL if host not in hosts)])
