"""Where the state lies."""

from pathlib import Path

import pytest

from dllab_hub.state import StateDir


def test_the_environment_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DLLAB_HOME and DLLAB_ENVS override the XDG data directory."""
    monkeypatch.setenv("DLLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLLAB_ENVS", str(tmp_path / "envs"))
    state = StateDir.default()

    assert (tmp_path / "home" / "jobs", tmp_path / "envs") == (state.jobs, state.envs)


def test_the_default_is_the_xdg_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without variables of ours everything lies below XDG_DATA_HOME/dllab-hub."""
    monkeypatch.delenv("DLLAB_HOME", raising=False)
    monkeypatch.delenv("DLLAB_ENVS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    root = tmp_path / "dllab-hub"

    assert (root, root / "envs") == (StateDir.default().root, StateDir.default().envs)
    assert not root.exists()
