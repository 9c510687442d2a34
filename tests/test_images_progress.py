"""How far a build is, and how large a download, as people read it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from dllab_hub import images
from dllab_hub.errors import Unavailable
from dllab_hub.images import download
from dllab_hub.images.progress import Progress
from dllab_hub.state import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state", tmp_path / "envs")


class Builder:
    """Stands for a process that builds an image: it holds the lock and has said how far it is."""

    def __init__(self, env: images.ImageEnv, **step: object) -> None:
        env.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = env.path.with_suffix(".lock").open("w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        Progress(env.path, lambda step: None)(**step)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("percent", "line"), [(45.7, "45 %: downloading torch"), (None, "downloading torch")]
)
def test_an_image_that_is_being_built_says_how_far_it_is(
    state: StateDir, percent: float | None, line: str
) -> None:
    """Everybody sees the percent, and whoever asks for its interpreter is told to wait."""
    builder = Builder(images.named(state, "pytorch"), line="downloading torch", percent=percent)
    image = images.named(state, "pytorch").image

    assert ("building", line) == (image.state, image.progress)
    with pytest.raises(Unavailable, match="is being built"):
        images.python_of(state, "pytorch")
    builder.lock.close()


def test_a_builder_that_was_killed_builds_no_more(state: StateDir) -> None:
    """What it left behind does not look like a build for ever."""
    builder = Builder(images.named(state, "pytorch"), line="downloading torch", percent=45)
    builder.lock.close()

    image = images.named(state, "pytorch").image
    assert ("missing", "") == (image.state, image.progress)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"line": 3', '{"line": "x"}'])
def test_progress_that_cannot_be_read_is_none(state: StateDir, text: str) -> None:
    """A damaged file does not take the form away."""
    builder = Builder(env := images.named(state, "pytorch"), line="x")
    env.path.with_suffix(".progress").write_text(text)

    assert "missing" == images.named(state, "pytorch").image.state
    builder.lock.close()


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 MB"), (190_400_000, "190 MB"), (1_130_000_000, "1.1 GB")]
)
def test_sizes_in_words(size: int, words: str) -> None:
    """Sizes read as a person would say them."""
    assert words == download.in_words(size)


def test_a_file_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    """An unknown size is None, never 0."""
    (tmp_path / "a").write_bytes(b"123")

    assert download.file_sizes([f"file://{tmp_path}/a", f"file://{tmp_path}/b"]) == [3, None]
