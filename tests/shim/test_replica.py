"""One replica: its environment, its traceback."""

import os
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.shim.replica import environment, free_port, last_traceback, replicas_of
from dllab_hub.shim.signals import signal_name
from dllab_hub.specs import JobState, ReplicaStatus

PLAN: dict[str, Any] = {
    "id": "digits-1",
    "python": "/images/pytorch/bin/python",
    "env": {"HELLO": "world", "OMP_NUM_THREADS": "7"},
    "roles": [{"name": "worker", "replicas": 2, "gpus": 1}],
    "gpus": ["GPU-a", "GPU-b"],
    "max_restarts": 3,
    "checkpoint_every": 50,
    "tensorboard": "/state/tensorboard/ada/digits-1",
}


def test_a_replica_has_torchruns_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that was written for torchrun finds what it needs, and the lab's own names."""
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    gang = replicas_of(PLAN, 2)
    env = environment(PLAN, Path("/run"), gang, gang[1], 4711)

    expected = {
        "RANK": "1",
        "LOCAL_RANK": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "4711",
        "TORCHELASTIC_RUN_ID": "digits-1",
        "TORCHELASTIC_RESTART_COUNT": "1",
        "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
        "DLLAB_JOB_ID": "digits-1",
        "DLLAB_ROLE": "worker",
        "DLLAB_REPLICA": "1",
        "DLLAB_ATTEMPT": "2",
        "DLLAB_WORKSPACE": "/run/workspace",
        "DLLAB_CHECKPOINT_DIR": "/run/checkpoints",
        "DLLAB_CHECKPOINT_EVERY": "50",
        "DLLAB_TENSORBOARD_DIR": "/state/tensorboard/ada/digits-1",
        "DLLAB_REPORT": "/run/report.json",
        "DLLAB_LEASE": "digits-1",
        "PYTHONUNBUFFERED": "1",
        "HELLO": "world",
        "OMP_NUM_THREADS": "7",
        "GLOO_SOCKET_IFNAME": "lo",
        "PATH": "/images/pytorch/bin:/bin",
    }
    assert expected == {key: env.get(key) for key in expected}
    assert "JUPYTERHUB_API_TOKEN" not in env
    assert [("GPU-a",), ("GPU-b",)] == [replica.gpus for replica in gang]


def test_a_job_without_gpus_sees_none() -> None:
    """CUDA_VISIBLE_DEVICES is empty then: a CUDA program must not find GPUs it has no lease for."""
    plan = {**PLAN, "gpus": [], "roles": [{"name": "worker", "replicas": 1, "gpus": 0}]}
    gang = replicas_of(plan, 1)
    env = environment(plan, Path("/run"), gang, gang[0], 1)

    assert "" == env["CUDA_VISIBLE_DEVICES"]
    assert os.environ.get("GLOO_SOCKET_IFNAME") == env.get("GLOO_SOCKET_IFNAME")


def test_too_few_gpus_are_refused() -> None:
    """A gang never starts with fewer GPUs than its roles need."""
    with pytest.raises(ValueError, match="2 GPUs are needed and the job was given 1"):
        replicas_of({**PLAN, "gpus": ["GPU-a"]}, 1)


def test_the_wire_is_the_specs_own() -> None:
    """What the shim writes by hand is exactly a ReplicaStatus."""
    replica = replicas_of(PLAN, 1)[0]
    running = ReplicaStatus.from_wire(replica.wire())
    replica.end(-9, 12.5, "", asked=False)
    failed = ReplicaStatus.from_wire(replica.wire())

    assert running.to_wire().keys() == replica.wire().keys()
    assert (JobState.RUNNING, JobState.FAILED) == (running.state, failed.state)
    assert ("SIGKILL", None, 12.5) == (failed.signal, failed.exit_code, failed.ended)
    assert "worker-0 was ended by SIGKILL." == replica.why


def test_ports_differ() -> None:
    """Each attempt gets another port."""
    assert len({free_port() for _ in range(5)}) > 1


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (34, "SIGRTMIN"), (40, "SIGRTMIN+6")])
def test_every_signal_has_a_name(number: int, name: str) -> None:
    """Real-time signals too."""
    assert name == signal_name(number)


ONE = 'Traceback (most recent call last):\n  File "a.py", line 1\n    x\nValueError: boom'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ""),
        ("fine\n", ""),
        (f"before\n{ONE}\n\nafter\n", ONE),
        (f"Traceback (most recent call last):\nKeyError: 1\n\n{ONE}\n", ONE),
        ("".join(f"[rank1]: {line}\n" for line in ONE.split("\n")), ONE),
        (f"{ONE}\nsecond line of the message\n\nlater", f"{ONE}\nsecond line of the message"),
        (ONE.replace("\n", "\r\n"), ONE),
    ],
)
def test_the_last_traceback_is_found(text: str, found: str) -> None:
    """The newest traceback of a log, without what torch and the terminal put around it."""
    assert found == last_traceback(text)


def test_a_huge_traceback_keeps_its_end() -> None:
    """The end of a traceback says what happened."""
    frames = "".join(f'  File "a.py", line {n}\n' for n in range(5000))
    found = last_traceback(f"Traceback (most recent call last):\n{frames}RecursionError: deep\n")

    assert len(found) < 9000
    assert found.endswith("RecursionError: deep")
