"""``dllab up`` itself: it can be killed, it leaves jobs alone, and it leaves nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_hub import RunningHub, environment_with_images, marked, until, write_state

from dllab_hub.errors import Unavailable
from dllab_hub.shim.process import identity
from dllab_hub.state import StateDir
from dllab_hub.up.installation import Settings, load_settings, make_directories, secret
from dllab_hub.up.proxy import proxy_command


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RunningHub]:
    """A hub of its own, not started."""
    (tmp_path / "volume").mkdir()
    write_state(tmp_path / "state", tmp_path / "volume")
    hub = RunningHub(tmp_path / "state", environment_with_images(tmp_path))
    yield hub
    if hub.process is not None:
        hub.stop()


def test_a_killed_up_leaves_no_orphans_and_starts_again(own: RunningHub) -> None:
    """kill -9: the hub ends by itself with proxy and service; the next start works in seconds."""
    mark = f"DLLAB_HOME={own.home}"
    own.start()
    assert own.process is not None
    before = own.facts["password"], len(marked(mark))
    own.process.kill()
    own.process.wait()
    own.start()
    own.stop()

    assert own.facts["password"] == before[0]
    assert before[1] >= 3  # Hub, proxy and lab service.
    assert [] == marked(mark)


def test_a_running_job_survives_and_is_named(own: RunningHub) -> None:
    """After Ctrl-C the job goes on; its name and how to cancel it are printed."""
    own.start()
    run = own.state.jobs / "long-1234567" / "run"
    run.mkdir(parents=True)
    os.mkfifo(run / "shim.json")  # What lies in a person's directory is not even opened.
    # What the service notes about a shim; this job is a plain sleep.
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as job:
        (run.parent / "launch.json").write_text(json.dumps(identity(job.pid)))
        code = own.stop()
        alive = job.poll() is None
        job.kill()

    said = own.log.read_text()
    assert (0, True) == (code, alive)
    assert "1 training job goes on" in said
    assert f"long-1234567   cancel it with: kill {job.pid}" in said


def test_deployments_end_with_the_hub(own: RunningHub) -> None:
    """Ctrl-C ends what serves models, says that it comes back, and believes nobody's own words."""
    own.start()
    units = own.state.deployments / "ada" / "digits" / "units"
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    shims = [subprocess.Popen(command) for _ in range(2)]
    stranger = subprocess.Popen(command)
    for unit, shim in zip(("balancer", "replica-1"), shims, strict=True):
        (units / unit / "run").mkdir(parents=True)
        (units / unit / "launch.json").write_text(json.dumps(identity(shim.pid)))
        (units / unit / "run" / "shim.json").write_text(json.dumps(identity(stranger.pid)))
    code = own.stop()
    ended = [shim.poll() for shim in shims]
    alive = stranger.poll() is None
    for process in (*shims, stranger):
        process.kill()
        process.wait()

    said = own.log.read_text()
    assert (0, [-signal.SIGTERM] * 2, True) == (code, ended, alive)
    assert "the next start serves them again: ada/digits\n" in said
    assert "stopped; nothing runs any more" in said


def test_without_the_serving_image_the_lab_starts(own: RunningHub, tmp_path: Path) -> None:
    """What is missing is said before, with the reason when it cannot be built; then it goes on."""
    envs = tmp_path / "other-envs"
    envs.mkdir()
    for path in Path(own.environ["DLLAB_ENVS"]).iterdir():
        if path.is_dir() and not path.name.startswith("serving-"):
            (envs / path.name).symlink_to(path)
    own.environ |= {"DLLAB_ENVS": str(envs), "PIP_NO_INDEX": "1"}
    own.start()
    own.stop()
    said = own.log.read_text()

    assert "to be built before the lab starts, this once: Model server\n" in said
    assert "the environment of Model server could not be built: " in said
    assert "dllab env build serving\n" in said
    assert said.index("dllab env build serving\n") < said.index("  address ")


def test_a_second_ctrl_c_does_not_leave_half(own: RunningHub) -> None:
    """An impatient person leaves no proxy behind, and the next start finds the port free."""
    mark = f"DLLAB_HOME={own.home}"
    own.start()
    assert own.process is not None
    own.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    own.process.send_signal(signal.SIGINT)
    code = own.process.wait(60)

    assert 0 == code
    assert [] == marked(mark)


def test_a_directory_of_somebody_keeps_its_mode(tmp_path: Path) -> None:
    """A root that was there before is not closed to others."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    make_directories(StateDir(shared, shared / "envs"), os_users=False)

    assert 0o1777 == shared.stat().st_mode & 0o7777
    assert 0o700 == (shared / "hub").stat().st_mode & 0o7777


def test_sigterm_is_ctrl_c(own: RunningHub) -> None:
    """A service manager ends it the same way as a person."""
    own.start()
    assert own.process is not None
    began = time.monotonic()
    own.process.send_signal(signal.SIGTERM)
    code = own.process.wait(60)

    assert 0 == code
    assert 30 > time.monotonic() - began
    assert until(lambda: not marked(f"DLLAB_HOME={own.home}"), 5)
    assert "stopped; nothing runs any more" in own.log.read_text()


def test_ports_are_remembered(tmp_path: Path) -> None:
    """The inner ports stay where they were, so labs find the service after a restart."""
    first = Settings.choose(None, port=0, os_users=False, proxy=["chp"])
    second = Settings.choose(first, port=first.port, os_users=False, proxy=["chp"])

    assert first == second
    assert 4 == len({first.port, first.hub_port, first.proxy_port, first.service_port})


def test_damaged_settings_are_made_anew(tmp_path: Path) -> None:
    """A half-written file of the last start is no obstacle."""
    state = StateDir(tmp_path, tmp_path)
    state.hub.mkdir()
    (state.hub / "settings.json").write_text('{"port": 80')

    assert load_settings(state) is None


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """The same one comes back, and nobody else may read the file."""
    first = secret(tmp_path / "password", 12)

    assert first == secret(tmp_path / "password", 12)
    assert 0o600 == (tmp_path / "password").stat().st_mode & 0o777


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (None, "Node.js is not installed"),
        ("v18.19.0", "Node.js 20 or newer is needed"),
        ("v20.1.0", "npm is not installed"),
    ],
)
def test_a_missing_or_old_node_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str | None, expected: str
) -> None:
    """The proxy's needs are told in one sentence each."""
    (tmp_path / "bin").mkdir()
    if says:
        node = tmp_path / "bin" / "node"
        node.write_text(f"#!/bin/sh\necho {says}\n")
        node.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(Unavailable, match=expected):
        proxy_command(StateDir(tmp_path, tmp_path / "envs"), print)


def test_npms_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the first line of npm's complaint is shown, and nothing half is left."""
    (tmp_path / "bin").mkdir()
    for name, text in (("node", "echo v20.1.0"), ("npm", "echo 'npm error no route' >&2; exit 1")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/bin")

    with pytest.raises(Unavailable, match="npm error no route"):
        proxy_command(StateDir(tmp_path, tmp_path / "envs"), lambda text: None)

    assert [] == list((tmp_path / "envs").iterdir())
