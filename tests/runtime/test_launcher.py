"""The replica of a pod, started here as the pod would: real processes, no cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launched import MODULE, pod, run
from trainings import ID, WISHES

from dllab_hub.backends.local.plan import plan_of
from dllab_hub.runtime.gang import Gang, environment
from dllab_hub.shim.environment import environment as shim_environment
from dllab_hub.shim.replica import replicas_of
from dllab_hub.shim.strategy import ports_needed
from dllab_hub.specs import Role


def test_all_reduce_over_pods(tmp_path: Path) -> None:
    """Every process has torchrun's words: ranks over all pods, local ranks within its own."""
    env = pod(tmp_path, "allreduce", "worker", JOB_COMPLETION_INDEX="3", DLLAB_RESTARTS="2")
    found = environment(Gang.of(env), 1, env)

    assert ("7", "8", "1", "2", "3", "3") == tuple(
        found[name]
        for name in (
            "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "DLLAB_ATTEMPT"
        )
    )  # fmt: skip
    assert "t-digits-b2c3d4f-worker-0-0.t-digits-b2c3d4f" == found["MASTER_ADDR"]
    assert "nccl" == found["DLLAB_BACKEND"]
    assert str(tmp_path / "run" / "reports" / "worker-3.1.json") == found["DLLAB_REPORT"]


def test_parameter_servers_over_pods(tmp_path: Path) -> None:
    """TF_CONFIG has the address of every replica, and who this one is."""
    env = pod(tmp_path, "ps", "worker", JOB_COMPLETION_INDEX="2")
    config = json.loads(environment(Gang.of(env), 0, env)["TF_CONFIG"])

    assert {"type": "worker", "index": 2} == config["task"]
    assert {"chief": 1, "ps": 2, "worker": 3} == {
        role: len(hosts) for role, hosts in config["cluster"].items()
    }
    assert "t-digits-b2c3d4f-ps-0-1.t-digits-b2c3d4f:29510" == config["cluster"]["ps"][1]


def test_attempts_are_counted_over_launches(tmp_path: Path) -> None:
    """The code sees one count of attempts, also when a launch begins with a later one."""
    env = pod(tmp_path, "allreduce", DLLAB_FIRST_ATTEMPT="4", DLLAB_RESTARTS="2")
    found = environment(Gang.of(env), 0, env)

    assert ("6", "5") == (found["DLLAB_ATTEMPT"], found["TORCHELASTIC_RESTART_COUNT"])
    assert not {"DLLAB_GANG", "DLLAB_RUN", "DLLAB_FIRST_ATTEMPT", "DLLAB_GRACE"} & set(found)
    assert str(tmp_path / "tensorboard") == found["DLLAB_TENSORBOARD_DIR"]


def test_a_single_process_has_no_coordinates(tmp_path: Path) -> None:
    """Scripts take RANK for a word of torchrun, so there is none."""
    env = pod(tmp_path, "single", "worker")

    assert "RANK" not in environment(Gang.of(env), 0, env)


def test_the_first_failure_is_the_pods(tmp_path: Path) -> None:
    """When one process fails the others are ended at once, and its code is that of the replica."""
    began = time.monotonic()
    code = "import os, time; time.sleep(0.2 if os.environ['LOCAL_RANK'] == '1' else 60); exit(7)"
    done = run(pod(tmp_path, "custom", "learner"), code)

    assert 7 == done.returncode
    assert time.monotonic() - began < 15


def test_a_signal_is_named_as_by_a_shell(tmp_path: Path) -> None:
    """A process that a signal ended makes its replica end with 128 and its number."""
    done = run(pod(tmp_path, "single", "worker"), "import os; os.kill(os.getpid(), 9)")

    assert 137 == done.returncode


def test_it_passes_sigterm_on(tmp_path: Path) -> None:
    """The code hears of the pod's end and has the time to save."""
    code = (
        "import os, signal, sys, time\n"
        "def save(*_): os.write(1, b'saved\\n'); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save); print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [*MODULE, sys.executable, "-c", code], env=pod(tmp_path, "single", "worker"),
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGTERM)

        assert "saved\n" == process.stdout.read()
        assert 143 == process.wait(30)


def test_who_was_told_to_end_has_not_succeeded(tmp_path: Path) -> None:
    """Code that saves and returns 0 on SIGTERM is not done: Kubernetes has to relaunch it."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [*MODULE, sys.executable, "-c", code], env=pod(tmp_path, "single"),
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
        process.send_signal(signal.SIGTERM)

        assert 143 == process.wait(30)


def test_files_of_the_code_are_not_the_launchers(tmp_path: Path) -> None:
    """A module of the standard library's name among the code is the code's alone."""
    env = pod(tmp_path, "single")
    (tmp_path / "run" / "workspace" / "selectors.py").write_text("raise SystemExit(9)")

    assert 0 == run(env, "print('hello')").returncode


def test_variables_of_a_person_are_not_the_launchers(tmp_path: Path) -> None:
    """The code gets them under their own names, and what starts it does not heed them."""
    words = {
        "PYTHONINSPECT": "1",
        "PYTHONPLATLIBDIR": "nowhere",
        "PYTHONWARNINGS": "x",
        "A": "$(B)",
    }
    hidden = {f"DLLAB_ENV_{name}": value for name, value in words.items()}
    env = pod(tmp_path, "single", **hidden)
    program = ["env", "-0"]
    done = subprocess.run([*MODULE, *program], env=env, capture_output=True, text=True, timeout=60)

    assert (0, "") == (done.returncode, done.stderr)
    found = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
    assert words == {name: found.get(name) for name in words}
    assert not set(hidden) & set(found)


@pytest.mark.parametrize(("wish", "threads"), [("single", None), ("ps", "1"), ("custom", "1")])
def test_ranks_do_not_fight_for_cores(wish: str, threads: str | None, tmp_path: Path) -> None:
    """Each of several has the one CPU that its pod asked for; the person's word is last."""
    env = pod(tmp_path, wish, "learner" if wish == "custom" else "worker")
    own = environment(Gang.of(env), 0, {**env, "DLLAB_ENV_OMP_NUM_THREADS": "3"})

    assert threads == environment(Gang.of(env), 0, env).get("OMP_NUM_THREADS")
    assert "3" == own["OMP_NUM_THREADS"]


def test_a_missing_program_is_said(tmp_path: Path) -> None:
    """The code is 127, and the reason is one line."""
    env = pod(tmp_path, "single", "worker")
    done = subprocess.run([*MODULE, "no-such"], env=env, capture_output=True, text=True, timeout=60)

    assert 127 == done.returncode
    assert "dllab: worker-0 cannot be started: No such file or directory: no-such.\n" == done.stderr


def test_volumes_appear_where_they_do_on_one_machine(tmp_path: Path) -> None:
    """What is mounted at an absolute path is at data/<name> too; a file of the code is not lost."""
    (tmp_path / "sets").mkdir()
    about = {"sets": {"path": str(tmp_path / "sets"), "place": "/data/sets"}}
    env = pod(tmp_path, "single", "worker", DLLAB_VOLUMES=json.dumps(about))

    assert 0 == run(env, "import os; os.listdir('data/sets')").returncode
    link = tmp_path / "run" / "workspace" / "data" / "sets"
    link.unlink()
    link.write_text("mine")
    refused = run(env, "pass")
    assert 1 == refused.returncode
    assert "rename data/sets" in refused.stderr
    assert "mine" == link.read_text()


@pytest.mark.parametrize("name", WISHES)
def test_words_are_those_of_one_machine(name: str, tmp_path: Path) -> None:
    """A script finds the same variables in a pod, but for what only matters on one machine."""
    spec = WISHES[name]
    gpus = [f"GPU-{n}" for n in range(spec.gpus)]
    plan = {"id": ID, **plan_of(spec, "python3"), "tensorboard": "t", "gpus": gpus}
    replicas = replicas_of(plan, 1)
    ports = range(ports_needed(plan, replicas))
    there = shim_environment(plan, tmp_path, replicas, replicas[0], ports, inherited={})
    env = pod(tmp_path, name, spec.roles[0].name, DLLAB_CHECKPOINT_EVERY="1", DLLAB_VOLUMES="{}")
    here = environment(Gang.of(env), 0, env)

    only_there = {"JAX_COORDINATOR_BIND_ADDRESS", "JAX_LOCAL_DEVICE_IDS"}
    told = (
        "DLLAB_",
        "RANK",
        "LOCAL_",
        "WORLD_",
        "GROUP_",
        "ROLE_",
        "MASTER_",
        "TF_",
        "TORCH",
        "JAX_",
    )
    assert {key for key in there if key.startswith(told)} - only_there - {"DLLAB_LEASE"} == {
        key for key in here if key.startswith(told)
    }


@pytest.mark.parametrize("name", WISHES)
def test_ranks_are_those_of_one_machine(name: str, tmp_path: Path) -> None:
    """Over all pods every rank is there once, counted by role, replica and process."""
    found = []
    roles: tuple[Role, ...] = WISHES[name].roles
    for role in roles:
        for index in range(role.replicas):
            env = pod(tmp_path, name, role.name, JOB_COMPLETION_INDEX=str(index))
            mine = Gang.of(env)
            found += [int(environment(mine, n, env)["DLLAB_RANK"]) for n in range(mine.processes)]

    assert list(range(WISHES[name].processes)) == found
