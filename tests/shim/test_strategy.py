"""How the processes of each strategy find each other."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim import strategy
from dllab_hub.shim.environment import environment, program_of
from dllab_hub.shim.replica import replicas_of
from dllab_hub.shim.strategy import asked_first, ports_needed

PLAN: dict[str, Any] = {
    "id": "digits-1",
    "strategy": "allreduce",
    "python": "/images/pytorch/bin/python",
    "program": ["/images/pytorch/bin/python", "train.py"],
    "env": {"HELLO": "world", "OMP_NUM_THREADS": "7"},
    "roles": [{"name": "worker", "replicas": 2, "gpus": 1, "processes": 1}],
    "gpus": ["GPU-a", "GPU-b"],
    "success_role": None,
    "max_restarts": 3,
    "checkpoint_every": 50,
    "tensorboard": "/state/tensorboard/ada/digits-1",
}
PS: dict[str, Any] = {
    "strategy": "ps",
    "success_role": "chief",
    "roles": [
        {"name": "chief", "replicas": 1, "gpus": 0},
        {"name": "ps", "replicas": 2, "gpus": 0},
        {"name": "worker", "replicas": 2, "gpus": 1},
    ],
}
CUSTOM = {
    "strategy": "custom",
    "gpus": ["GPU-a", "GPU-b", "GPU-c"],
    "roles": [
        {"name": "learner", "replicas": 1, "gpus": 2, "processes": 2, "program": ["bash", "l.sh"]},
        {"name": "actor", "replicas": 2, "gpus": 0},
        {"name": "judge", "replicas": 1, "gpus": 1},
    ],
}
RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK")


def environments(attempt: int = 1, **changes: Any) -> list[dict[str, str]]:
    """Of all processes of a plan, with ports from 4000."""
    plan = {**PLAN, **changes}
    gang = replicas_of(plan, attempt)
    ports = list(range(4000, 4000 + ports_needed(plan, gang)))
    return [environment(plan, Path("/run"), gang, replica, ports) for replica in gang]


def workers(replicas: int, gpus: int = 0, processes: int = 1, **more: Any) -> dict[str, Any]:
    role = {"name": "worker", "replicas": replicas, "gpus": gpus, "processes": processes, **more}
    return {"roles": [role], "gpus": [f"GPU-{n}" for n in range(replicas * gpus)]}


def test_a_replica_has_torchruns_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that was written for torchrun finds what it needs, and the lab's own names."""
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    env = environments(attempt=2)[1]

    expected = {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "ROLE_RANK": "1",
        "ROLE_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "4000",
        "TORCHELASTIC_RUN_ID": "digits-1",
        "TORCHELASTIC_RESTART_COUNT": "1",
        "TORCHELASTIC_MAX_RESTARTS": "3",
        "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
        "DLLAB_BACKEND": "nccl",
        "DLLAB_JOB_ID": "digits-1",
        "DLLAB_ROLE": "worker",
        "DLLAB_REPLICA": "1",
        "DLLAB_PROCESS": "0",
        "DLLAB_ATTEMPT": "2",
        "DLLAB_WORKSPACE": "/run/workspace",
        "DLLAB_CHECKPOINT_DIR": "/run/checkpoints",
        "DLLAB_CHECKPOINT_EVERY": "50",
        "DLLAB_TENSORBOARD_DIR": "/state/tensorboard/ada/digits-1",
        "DLLAB_RANK": "1",
        "DLLAB_REPORT": "/run/reports/worker-1.json",
        "DLLAB_LEASE": "digits-1",
        "PYTHONUNBUFFERED": "1",
        "HELLO": "world",
        "OMP_NUM_THREADS": "7",
        "GLOO_SOCKET_IFNAME": "lo",
        "PATH": "/images/pytorch/bin:/bin",
    }
    assert expected == {key: env.get(key) for key in expected}
    assert "JUPYTERHUB_API_TOKEN" not in env
    assert "TF_CONFIG" not in env


def test_every_process_of_a_replica_is_a_rank_of_its_own() -> None:
    """Two replicas of two processes are four local ranks, which see all GPUs in rank order."""
    envs = environments(**workers(2, gpus=2, processes=2))

    found = [(e["RANK"], e["LOCAL_RANK"], e["DLLAB_REPLICA"], e["DLLAB_PROCESS"]) for e in envs]
    expected = [("0", "0", "0", "0"), ("1", "1", "0", "1"), ("2", "2", "1", "0")]
    assert [*expected, ("3", "3", "1", "1")] == found
    assert {("4", "4", "4", "GPU-0,GPU-1,GPU-2,GPU-3", "nccl")} == {
        (
            e["WORLD_SIZE"],
            e["LOCAL_WORLD_SIZE"],
            e["ROLE_WORLD_SIZE"],
            e["CUDA_VISIBLE_DEVICES"],
            e["DLLAB_BACKEND"],
        )
        for e in envs
    }


def test_a_single_training_is_told_of_no_others() -> None:
    """Scripts take RANK for torchrun's word and join a group; alone there is none to join."""
    (env,) = environments(strategy="single", **workers(1, gpus=2))

    assert "GPU-0,GPU-1" == env["CUDA_VISIBLE_DEVICES"]
    names = {*RANKS, "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID", "JAX_PROCESS_ID"}
    assert set() == (names - set(os.environ)) & env.keys()


def test_the_environment_of_a_shim_can_be_told() -> None:
    """What a job will have is known before there is a shim."""
    plan = {**PLAN, **workers(1)}
    gang = replicas_of(plan, 1)
    inherited = {"LANG": "C", "PATH": "/bin", "JUPYTERHUB_API_TOKEN": "secret"}
    env = environment(plan, Path("/run"), gang, gang[0], [1, 2], inherited=inherited)

    assert ("C", "/images/pytorch/bin:/bin") == (env["LANG"], env["PATH"])
    assert set() == {"JUPYTERHUB_API_TOKEN", "HOME"} & env.keys()


@pytest.mark.parametrize(
    ("gpus", "processes", "backend"), [(0, 1, "gloo"), (1, 1, "nccl"), (1, 2, "gloo")]
)
def test_nccl_wants_a_gpu_for_each_process(gpus: int, processes: int, backend: str) -> None:
    """DLLAB_BACKEND is nccl only where no two processes would share a GPU."""
    envs = environments(**workers(2, gpus, processes))

    assert {backend} == {env["DLLAB_BACKEND"] for env in envs}


def test_a_job_without_gpus_sees_none() -> None:
    """CUDA_VISIBLE_DEVICES is empty then: a CUDA program must not find GPUs it has no lease for."""
    (env,) = environments(**workers(1))

    assert "" == env["CUDA_VISIBLE_DEVICES"]
    assert os.environ.get("GLOO_SOCKET_IFNAME") == env.get("GLOO_SOCKET_IFNAME")


def test_jax_has_coordinates() -> None:
    """The coordinator has a port of its own, on this machine only, and each process its number."""
    envs = environments(**workers(2, processes=2))

    assert ["0", "1", "2", "3"] == [env["JAX_PROCESS_ID"] for env in envs]
    assert {("4", "127.0.0.1:4001", "127.0.0.1:4001")} == {
        (
            env["JAX_NUM_PROCESSES"],
            env["JAX_COORDINATOR_ADDRESS"],
            env["JAX_COORDINATOR_BIND_ADDRESS"],
        )
        for env in envs
    }


def test_jax_takes_only_its_own_gpus() -> None:
    """JAX takes every GPU that it sees, unless it is told which of them are the process's own."""
    shared = environments(**workers(2, gpus=2, processes=1))
    alone = environments(**workers(1, gpus=2, processes=1))

    assert ["0,1", "2,3"] == [env["JAX_LOCAL_DEVICE_IDS"] for env in shared]
    assert "JAX_LOCAL_DEVICE_IDS" not in alone[0]


def test_parameter_servers_have_tf_config() -> None:
    """Each replica knows the port of all and its own task, sees its own GPU, and has no rank."""
    envs = environments(**PS)

    cluster = {
        "chief": ["127.0.0.1:4000"],
        "ps": ["127.0.0.1:4001", "127.0.0.1:4002"],
        "worker": ["127.0.0.1:4003", "127.0.0.1:4004"],
    }
    configs = [json.loads(env["TF_CONFIG"]) for env in envs]
    assert [cluster] * 5 == [config["cluster"] for config in configs]
    tasks = [("chief", 0), ("ps", 0), ("ps", 1), ("worker", 0), ("worker", 1)]
    assert tasks == [(c["task"]["type"], c["task"]["index"]) for c in configs]
    assert ["", "", "", "GPU-a", "GPU-b"] == [env["CUDA_VISIBLE_DEVICES"] for env in envs]
    forbidden = {*RANKS, "MASTER_ADDR", "MASTER_PORT", "JAX_PROCESS_ID"} - set(os.environ)
    assert [set()] * 5 == [forbidden & env.keys() for env in envs]


def test_custom_roles_have_the_addresses_of_all() -> None:
    """Every process has an address and a rank, and sees the GPUs of its own replica."""
    envs = environments(**CUSTOM)

    addresses = {
        "learner": ["127.0.0.1:4002", "127.0.0.1:4003"],
        "actor": ["127.0.0.1:4004", "127.0.0.1:4005"],
        "judge": ["127.0.0.1:4006"],
    }
    assert [addresses] * 5 == [json.loads(env["DLLAB_ADDRESSES"]) for env in envs]
    assert [f"127.0.0.1:{port}" for port in range(4002, 4007)] == [
        env["DLLAB_ADDRESS"] for env in envs
    ]
    visible = ["GPU-a,GPU-b", "GPU-a,GPU-b", "", "", "GPU-c"]
    assert visible == [env["CUDA_VISIBLE_DEVICES"] for env in envs]
    ranks = [tuple(env[name] for name in RANKS) for env in envs]
    assert ("0", "0", "5", "2", "0", "0") == ranks[0]
    assert ("1", "1", "5", "2", "0", "1") == ranks[1]
    assert ("3", "0", "5", "1", "2", "1") == ranks[3]
    assert {"4000"} == {env["MASTER_PORT"] for env in envs}


@pytest.mark.parametrize(
    ("plan", "first", "saving"),
    [
        (workers(3), ["worker-0", "worker-1", "worker-2"], ["worker-0"]),
        ({**PS, "roles": PS["roles"][::-1]}, ["chief-0"], ["chief-0"]),
        (
            {**CUSTOM, "success_role": "judge"},
            ["judge-0"],
            ["learner-0.0", "learner-0.1", "actor-0", "actor-1", "judge-0"],
        ),
    ],
)
def test_who_is_asked_first_and_who_is_waited_for(
    plan: dict[str, Any], first: list[str], saving: list[str]
) -> None:
    """Those that the job ends with are told before the others; of custom roles all may save."""
    plan = {**PLAN, **plan}
    gang = replicas_of(plan, 1)

    assert first == [replica.name for replica in asked_first(plan, gang)]
    assert saving == [replica.name for replica in strategy.saving(plan, gang)]


def test_a_role_may_run_something_else() -> None:
    """A role's program stands instead of the job's."""
    plan = {**PLAN, **CUSTOM}
    programs = [program_of(plan, replica) for replica in replicas_of(plan, 1)]

    assert [["bash", "l.sh"]] * 2 + [PLAN["program"]] * 3 == programs


@pytest.mark.parametrize(
    ("cpus", "processes", "threads"), [(4.0, 1, "4"), (4.0, 3, "1"), (0.5, 1, "1")]
)
def test_thread_pools_fit_the_cpus(cpus: float, processes: int, threads: str) -> None:
    """A process sizes its pools by its share of the replica's CPUs; the person's word is last."""
    env = environments(**workers(1, processes=processes, cpus=cpus))[0]
    names = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")

    assert {threads} == {env[name] for name in names}
    assert "7" == env["OMP_NUM_THREADS"]


def test_no_proxy_comes_between_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC would ask an HTTP proxy for 127.0.0.1; who was excepted before still is."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    quiet = environments(**PS)[0]
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "lab.example.org, 127.0.0.1")
    env = environments(**PS)[0]

    assert "no_proxy" not in quiet
    assert "lab.example.org,127.0.0.1,localhost" == env["no_proxy"] == env["NO_PROXY"]
