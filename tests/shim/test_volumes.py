"""Links to data volumes in a workspace that belongs to somebody's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from dllab_hub.shim.volumes import link_volumes


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty one, beside a volume and a directory that is none of the job's business."""
    for name in ("workspace", "volume", "elsewhere"):
        (tmp_path / name).mkdir()
    return tmp_path / "workspace"


def about(workspace: Path, place: str = "data/sets") -> dict[str, dict[str, str]]:
    return {"sets": {"path": str(workspace.parent / "volume"), "place": place}}


def test_twice_is_fine(workspace: Path) -> None:
    """A shim that is started again finds its links."""
    for _ in range(2):
        assert "" == link_volumes(about(workspace), workspace)
    assert (workspace / "data/sets").readlink() == workspace.parent / "volume"


@pytest.mark.parametrize("place", ["data/sets", "data/deep/sets"])
def test_no_link_leads_out_of_the_workspace(workspace: Path, place: str) -> None:
    """Code that has made ``data`` a link gets nothing made behind it."""
    (workspace / "data").symlink_to(workspace.parent / "elsewhere")

    assert "rename" in link_volumes(about(workspace, place), workspace)
    assert [] == list((workspace.parent / "elsewhere").iterdir())


@pytest.mark.parametrize("place", ["data/sets", "data/deep/sets"])
def test_a_file_in_the_way(workspace: Path, place: str) -> None:
    """It is named, and stays."""
    (workspace / "data").write_text("mine")

    assert f"rename {place}" in link_volumes(about(workspace, place), workspace)
    assert "mine" == (workspace / "data").read_text()
