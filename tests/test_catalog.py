"""The catalog: built images and what the administrator wrote into catalog.toml."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dllab_hub.catalog import interpreter, load_catalog
from dllab_hub.errors import DLLabError, NotFound, Unavailable
from dllab_hub.state import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state", tmp_path / "envs")


def write(state: StateDir, text: str) -> None:
    state.root.mkdir(parents=True, exist_ok=True)
    (state.root / "catalog.toml").write_text(text)


def test_nothing_built_says_what_to_run(state: StateDir) -> None:
    """A hub without any image names the command that builds one."""
    with pytest.raises(Unavailable, match="dllab env build pytorch"):
        load_catalog(state)


def test_here_is_this_python(state: StateDir) -> None:
    """Without a hub the running interpreter is on offer, and is what runs jobs."""
    catalog = load_catalog(state, here=True)

    assert [image.name for image in catalog.images] == ["here"]
    assert Path(sys.executable) == interpreter(state, "here")


def test_volumes_and_limits_are_read(state: StateDir) -> None:
    """What the administrator wrote is offered."""
    write(
        state,
        '[[volumes]]\nname = "d"\ntitle = "D"\npath = "/srv/d"\nread_only = true\n'
        "[limits]\nmax_gpus = 2\nmax_replicas = 3\n",
    )

    catalog = load_catalog(state, here=True)

    assert (catalog.volume("d").path, catalog.volume("d").read_only) == ("/srv/d", True)
    assert (catalog.max_gpus, catalog.max_replicas) == (2, 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("volumes = 3", "volumes"),
        ("[limit]\n", "limit: there is no such key."),
        ("[limits]\ngpus = 1\n", "limits.gpus: there is no such key."),
        ("limits = 1\n", "limits: must be a table."),
        ("[limits]\nmax_gpus = -1\n", "max_gpus"),
        ('[[volumes]]\nname = "d"\ntitle = "D"\npath = "relative"\n', "must be an absolute path"),
        ('default_image = "gone"\n', "default_image: there is no such image."),
        ("= 3", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(state: StateDir, text: str, said: str) -> None:
    """The administrator reads which file and field is wrong."""
    write(state, text)

    with pytest.raises(DLLabError, match=r"catalog\.toml") as caught:
        load_catalog(state, here=True)

    assert said in str(caught.value)


def test_the_interpreter_of_no_image_is_not_found(state: StateDir) -> None:
    """An unknown image has no interpreter."""
    with pytest.raises(NotFound, match="no such image"):
        interpreter(state, "nope")
