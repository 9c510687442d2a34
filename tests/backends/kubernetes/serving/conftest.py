"""Models on a scripted API server, in a hurry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_api import FakeApi
from mirrored import Quick
from model_answers import MakeAnswers, a_free_port, model_answers
from played_serving import HOST, OTHER, THIRD, PlayedServing

from dllab_hub.backends.kubernetes.serving import caller, cluster, copies, inspecting
from dllab_hub.state import StateDir


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """That of all pods, free at every address that is used here."""
    port = a_free_port(HOST, OTHER, THIRD)
    monkeypatch.setattr(caller, "PORT", port)
    return port


@pytest.fixture
async def servers(port: int) -> AsyncIterator[MakeAnswers]:
    """Makes servers at addresses of pods."""
    async with model_answers(port) as make:
        yield make


@pytest.fixture
def played(fake: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedServing:
    """A cluster, and two versions of Ada's model ``digits``.

    What is done again and again is done ten times as often; news wake whoever waits as ever.
    """
    monkeypatch.setattr(copies, "Mirror", Quick)
    monkeypatch.setattr(copies, "_TOGETHER", 0.01)
    monkeypatch.setattr(cluster, "_QUICK", 0.1)
    monkeypatch.setattr(cluster, "_WATCHED", 0.05)
    monkeypatch.setattr(cluster, "_AGAIN", 0.1)
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    monkeypatch.setattr(inspecting, "_OFTEN", 0.02)
    root = tmp_path / "state"
    root.mkdir()
    made = PlayedServing(fake, StateDir(root, root / "envs", tmp_path / "shared"))
    made.publish(2)
    return made
