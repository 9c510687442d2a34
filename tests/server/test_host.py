"""The machine's or the container's own figures, over HTTP."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from served import Host as Server

from dllab_hub.metrics.host import HostReader
from dllab_hub.server import lab as lab_module
from dllab_hub.specs import Host


def test_what_is_left(host: Server) -> None:
    """Both hosts tell their own; the CPU from the second look on."""
    first = Host.from_wire(host.ask("GET", "host").json())
    time.sleep(1.1)
    second = Host.from_wire(host.ask("GET", "host").json())

    assert (first.cpu is None, second.cpu is None) == (True, False)
    assert second.memory_limit
    assert second.memory
    assert [disk.name for disk in second.disks] == ["home"]


def test_the_volumes_of_a_lab(
    jupyter: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those that are directories on other disks are told by name; a bucket has no size."""
    monkeypatch.setattr(jupyter.lab, "host", HostReader(lab_module._places))
    monkeypatch.setenv("HOME", str(tmp_path))
    volumes = {"memory": {"path": "/dev/shm"}, "bucket": {"url": "s3://bucket"}}
    monkeypatch.setenv("DLLAB_VOLUMES", json.dumps(volumes))

    disks = Host.from_wire(jupyter.ask("GET", "host").json()).disks

    assert [disk.name for disk in disks] == ["home", "memory"]


def test_a_damaged_list_of_volumes(jupyter: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, with what to do."""
    monkeypatch.setattr(jupyter.lab, "host", HostReader(lab_module._places))
    monkeypatch.setenv("DLLAB_VOLUMES", "[1]")

    answer = jupyter.ask("GET", "host")

    assert (503, "Restart the lab.") == (answer.status_code, answer.json()["error"]["hint"])


def test_bad_input(host: Server) -> None:
    """There is nothing to choose."""
    assert host.ask("GET", "host?x=1").status_code == 400
