"""A person's home before a lab starts: links to volumes and the welcome notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dllab_hub.hub import home
from dllab_hub.hub.home import HomeProblem, prepare


@pytest.fixture
def volumes(tmp_path: Path) -> dict[str, str]:
    for name in "ab":
        (tmp_path / "srv" / name).mkdir(parents=True)
    return {name: str(tmp_path / "srv" / name) for name in "ab"}


@pytest.fixture
def welcome(tmp_path: Path) -> str:
    (tmp_path / "welcome.ipynb").write_text("shipped")
    return str(tmp_path / "welcome.ipynb")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "homes" / "ada"


def links(top: Path) -> list[str]:
    return sorted(path.name for path in (top / "data").iterdir() if path.is_symlink())


def test_volumes_follow_the_choice(top: Path, volumes: dict[str, str], welcome: str) -> None:
    """Each start brings the links to what was picked; a link that is not needed goes."""
    prepare(str(top), volumes, (), welcome)
    both = links(top)
    prepare(str(top), {"b": volumes["b"]}, (), welcome)

    assert (both, links(top)) == (["a", "b"], ["b"])


def test_another_labs_volumes_stay(top: Path, volumes: dict[str, str], welcome: str) -> None:
    """A second lab in the same home takes nothing from the first."""
    prepare(str(top), {"a": volumes["a"]}, (), welcome)
    prepare(str(top), {"b": volumes["b"]}, ["a"], welcome)

    assert links(top) == ["a", "b"]


def test_what_a_person_made_is_theirs(top: Path, volumes: dict[str, str], welcome: str) -> None:
    """Their own links and files in data/ are neither removed nor replaced."""
    (top / "data").mkdir(parents=True)
    (top / "data" / "own").symlink_to("/usr")
    (top / "data" / "b").mkdir()

    prepare(str(top), {"a": volumes["a"]}, (), welcome)
    prepare(str(top), {}, (), welcome)

    assert links(top) == ["own"]
    with pytest.raises(HomeProblem, match="data/b in the home is not our link: rename it"):
        prepare(str(top), volumes, (), welcome)


def test_a_moved_volume_is_linked_anew(top: Path, volumes: dict[str, str], welcome: str) -> None:
    """A link of ours follows the catalog when the path changes."""
    prepare(str(top), {"a": volumes["a"]}, (), welcome)
    prepare(str(top), {"a": volumes["b"]}, (), welcome)

    assert volumes["b"] == str((top / "data" / "a").readlink())


def test_a_missing_volume_is_said(top: Path, welcome: str) -> None:
    """A lab without the data that was picked does not start."""
    with pytest.raises(HomeProblem, match="the volume gone is not there now"):
        prepare(str(top), {"gone": "/nowhere/at/all"}, (), welcome)


def test_the_welcome_notebook_is_put_once(top: Path, welcome: str) -> None:
    """It appears in a new home and never overwrites what a person did with it."""
    first = prepare(str(top), {}, (), welcome)
    (top / "welcome.ipynb").write_text("edited")
    second = prepare(str(top), {}, (), welcome)

    assert (first, second) == ({"welcome": True}, {"welcome": False})
    assert (top / "welcome.ipynb").read_text() == "edited"


def test_it_runs_with_nothing_but_the_standard_library(
    top: Path, volumes: dict[str, str], welcome: str
) -> None:
    """As a program it reads JSON and answers JSON, problems too."""

    def run(**wish: object) -> dict[str, object]:
        said = subprocess.run(
            [sys.executable, "-I", "-S", home.__file__],
            input=json.dumps({"home": str(top), "shared": [], "welcome": welcome, **wish}),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        answer: dict[str, object] = json.loads(said)
        return answer

    assert run(volumes=volumes) == {"welcome": True}
    assert "gone" in str(run(volumes={"gone": "/nowhere"})["problem"])
