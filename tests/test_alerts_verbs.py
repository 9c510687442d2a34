"""Alerts from Python and as a command, on a machine that watches itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alarms import Machine
from served import Host, running_loop, service_host, stub_hub, until

from dllab_hub.client import Client
from dllab_hub.errors import InvalidRequest, NotFound

_Dllab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Host, Machine]]:
    """A machine with two GPUs, of which ada's lab holds the first."""
    with running_loop() as loop, stub_hub(loop) as hub:

        async def make() -> Machine:
            return Machine(tmp_path / "state")

        machine = loop.call(make())
        with service_host(loop, hub, machine.lab) as host:
            yield host, machine


@pytest.fixture
def dllab(tmp_path: Path, lab: tuple[Host, Machine]) -> _Dllab:
    """Run the command in a terminal of ada's lab."""
    host, _ = lab

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        there = {"DLLAB_API_URL": host.url, "DLLAB_API_TOKEN": host.token}
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            env={**os.environ, **there, "DLLAB_HOME": str(tmp_path / "state")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_the_command(dllab: _Dllab, lab: tuple[Host, Machine]) -> None:
    """It lists what is wrong with what to do, silences, and says when there is nothing."""
    _, machine = lab
    machine.now = time.time()
    assert "nothing is wrong\n" == dllab("alerts").stdout
    machine.lose(0)
    until(lambda: machine.rules("ada"))

    told = dllab("alerts").stdout
    assert "GPULost" in told
    assert "GPU 0" in told
    assert "nvidia-smi" in told
    (alert,) = json.loads(dllab("alerts", "--json").stdout)["alerts"]
    assert "silent for" in dllab("alerts", "silence", alert["id"], "--minutes", "1000").stdout
    top = json.loads(dllab("top", "--json").stdout)
    assert top["alerts"] == [], "it is silenced"
    assert "silent" not in dllab("alerts", "silence", alert["id"], "--end").stdout
    for words, code in (
        (("silence", "GPULost-1"), 1),
        (("silence", alert["id"], "--minutes", "0"), 2),
        (("silence", alert["id"], "--minutes", "x"), 2),
        (("silence",), 2),
    ):
        assert code == dllab("alerts", *words).returncode


def test_the_rules(dllab: _Dllab, lab: tuple[Host, Machine]) -> None:
    """They are printed with this machine's thresholds; wrong ones are named."""
    catalog = lab[1].state.root / "catalog.toml"
    catalog.write_text("[alerts.GPUTemperatureHigh]\nabove = 61\n")
    printed = dllab("alerts", "rules")
    assert "dllab_gpu_temperature_celsius > 61" in printed.stdout
    assert printed.stderr == f"Read from {catalog}.\n"
    elsewhere = dllab("alerts", "rules", "--home", str(catalog.parent / "none"))
    assert "dllab_gpu_temperature_celsius > 61" not in elsewhere.stdout
    assert "The defaults: there is no " in elsewhere.stderr

    catalog.write_text("[alerts.GPUTemperatureHigh]\nover = 61\n")
    wrong = dllab("alerts", "rules")
    assert (1, "") == (wrong.returncode, wrong.stdout)
    assert f"{catalog} is wrong: alerts.GPUTemperatureHigh.over" in wrong.stderr


def test_from_python(lab: tuple[Host, Machine]) -> None:
    """The same verbs, with the lab's own errors."""
    host, machine = lab
    client = Client(host.url, host.token)
    machine.lose(0)
    until(lambda: machine.rules("ada"))

    (alert,) = client.alerts().alerts
    assert ("GPULost", "GPU-0", "firing") == (alert.rule, alert.subject, alert.state)
    assert client.silence(alert.id, 10).silenced
    assert client.speak(alert.id).silenced is None
    with pytest.raises(NotFound):
        client.silence("GPULost-1")
    with pytest.raises(InvalidRequest):
        client.silence(alert.id, 0)
    client.close()
