"""A lab's overlay: own installs come first, and the image below it stays as it was built."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_env import environment
from small_wheel import wheel

from dllab_hub.images import overlay


def said(python: Path, *words: str) -> str:
    done = subprocess.run(
        [str(python), *words], capture_output=True, text=True, cwd="/", env=_bare()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _bare() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def pip(python: Path, *words: str) -> str:
    return said(python, "-m", "pip", "--disable-pip-version-check", "--no-input", *words)


def state_of(env: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, without the caches that Python itself writes."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in env.rglob("*")
        if path.suffix != ".pyc" and not path.is_dir()
    }


class Image:
    """An environment with one package that has a command, as a builder leaves it."""

    def __init__(self, root: Path) -> None:
        self.path = root / "image"
        self.python = environment(self.path)
        self.wheels = root / "wheels"
        for version in ("1.0", "2.0"):
            wheel(self.wheels, "abacus", version, "abacus")
        wheel(self.wheels, "extra", "0.5")
        pip(self.python, "install", *self.index, "abacus==1.0")

    @property
    def index(self) -> tuple[str, ...]:
        return ("--no-index", "--find-links", str(self.wheels))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("overlay"))


@pytest.fixture
def lab(image: Image, tmp_path: Path) -> Iterator[Path]:
    """The overlay's interpreter; the image below has not changed in the end."""
    before = state_of(image.path)
    yield overlay.make(tmp_path / "overlay", image.python)
    assert before == state_of(image.path)


def version(python: Path, name: str = "abacus") -> str:
    return said(python, "-c", f"import {name}; print({name}.VERSION)")


def test_it_has_what_the_image_has(lab: Path) -> None:
    """A lab that has installed nothing sees the image's packages from a prefix of its own."""
    assert "1.0" == version(lab)
    assert str(lab.parent.parent) == said(lab, "-c", "import sys; print(sys.prefix)")
    assert [] == overlay.installed(lab.parent.parent)


def test_an_install_goes_into_it_alone(lab: Path, image: Image) -> None:
    """What a person installs is in their overlay, and nothing but that is listed."""
    pip(lab, "install", *image.index, "extra")

    assert "0.5" == version(lab, "extra")
    assert ["extra==0.5"] == overlay.installed(lab.parent.parent)
    assert "absent" == said(
        image.python,
        "-c",
        "from importlib.util import find_spec; print('there' if find_spec('extra') else 'absent')",
    )


def test_an_upgrade_covers_the_image_and_taking_it_out_uncovers_it(lab: Path, image: Image) -> None:
    """The newer version counts in this lab only; without it the image's is back."""
    pip(lab, "install", "--upgrade", *image.index, "abacus")
    newer = version(lab), version(image.python), overlay.installed(lab.parent.parent)
    pip(lab, "uninstall", "--yes", "abacus")
    pip(lab, "uninstall", "--yes", "abacus")  # The image's own: pip leaves it where it is.

    assert ("2.0", "1.0", ["abacus==2.0"]) == newer
    assert "1.0" == version(lab)


def test_commands_run_in_the_overlay(lab: Path, image: Image) -> None:
    """pip and the image's own commands use the overlay, also when they are started by name."""
    prefix = str(lab.parent.parent)

    assert prefix == said(lab.with_name("abacus"))
    said(lab.with_name("pip"), "install", *image.index, "extra")
    assert ["extra==0.5"] == overlay.installed(prefix)


def test_a_command_that_was_replaced_comes_back(lab: Path, image: Image) -> None:
    """The image's command is there again at the next start after its upgrade was taken out."""
    pip(lab, "install", "--upgrade", *image.index, "abacus")
    overlay.make(lab.parent.parent, image.python)
    pip(lab, "uninstall", "--yes", "abacus")
    gone = not lab.with_name("abacus").exists()
    overlay.make(lab.parent.parent, image.python)

    assert gone
    assert str(lab.parent.parent) == said(lab.with_name("abacus"))


def test_an_editable_install_comes_before_the_image(lab: Path, tmp_path: Path) -> None:
    """A person who works on a package of the image gets their own copy."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "abacus.py").write_text("VERSION = 'mine'\n")
    site = Path(said(lab, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
    (site / "__editable__.abacus-1.0.pth").write_text(f"{tmp_path / 'own'}\n")

    assert "mine" == version(lab)


def test_what_came_from_a_file_is_told_apart(lab: Path, image: Image) -> None:
    """A wheel of this machine cannot travel: it is named, and is in no list of versions."""
    pip(lab, "install", "--no-index", str(image.wheels / "extra-0.5-py3-none-any.whl"))

    assert [] == overlay.installed(lab.parent.parent)
    assert ["extra"] == overlay.local(lab.parent.parent)


def test_it_is_kept(lab: Path, image: Image) -> None:
    """Making it again costs milliseconds and changes nothing."""
    pip(lab, "install", *image.index, "extra")
    before = state_of(lab.parent.parent)
    began = time.perf_counter()

    assert lab == overlay.make(lab.parent.parent, image.python)
    assert time.perf_counter() - began < 0.1
    assert before == state_of(lab.parent.parent)


def test_another_environment_starts_an_empty_one(lab: Path, image: Image, tmp_path: Path) -> None:
    """What fitted one image is not put on top of another."""
    pip(lab, "install", *image.index, "extra")
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other)], check=True)

    overlay.make(lab.parent.parent, other / "bin" / "python")

    assert [] == overlay.installed(lab.parent.parent)
    assert ["other", "overlay"] == sorted(path.name for path in tmp_path.iterdir())


def test_nothing_is_left_of_one_that_failed(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk each start would leave another half one."""
    monkeypatch.setattr(
        overlay, "_header", lambda python: (_ for _ in ()).throw(OSError(28, "full"))
    )

    with pytest.raises(overlay.OverlayProblem, match="full"):
        overlay.make(tmp_path / "overlay", image.python)

    assert [] == [*tmp_path.iterdir()]


def test_only_the_person_may_look(lab: Path) -> None:
    """An overlay belongs to one account."""
    assert 0o700 == lab.parent.parent.stat().st_mode & 0o777


@pytest.mark.parametrize("folder", ["with space", "l" * 120])
def test_its_commands_start_wherever_it_lies(image: Image, tmp_path: Path, folder: str) -> None:
    """A space or a long path does not break a script's first line."""
    python = overlay.make(tmp_path / folder / "overlay", image.python)

    assert str(tmp_path / folder / "overlay") == said(python.with_name("abacus"))


@pytest.mark.parametrize("flags", [(), ("-I", "-S")])
def test_it_runs_as_a_program(image: Image, tmp_path: Path, flags: tuple[str, ...]) -> None:
    """With the bare standard library it makes the overlay and says where its interpreter is."""
    wish = {"directory": str(tmp_path / "overlay"), "python": str(image.python)}
    done = subprocess.run(
        [sys.executable, *flags, str(Path(overlay.__file__))],
        input=json.dumps(wish),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )

    assert {"python": str(tmp_path / "overlay" / "bin" / "python")} == json.loads(done.stdout)


@pytest.mark.parametrize("python", ["/nothing/bin/python", "/bin/true"])
def test_an_environment_that_does_not_run_is_named(tmp_path: Path, python: str) -> None:
    """There is one sentence, and no half an overlay."""
    with pytest.raises(overlay.OverlayProblem, match=python):
        overlay.make(tmp_path / "overlay", python)

    assert [] == [*tmp_path.iterdir()]


def test_the_real_image_works_below_an_overlay(tmp_path: Path) -> None:
    """The shipped environment's framework, our package in it and pip work on top of it."""
    python = os.environ.get("DLLAB_TEST_PYTHON")
    if not python:
        pytest.fail("DLLAB_TEST_PYTHON must name a Python that has torch; `make test` sets it.")
    wheel(tmp_path / "wheels", "packaging", "99.0")
    lab = overlay.make(tmp_path / "overlay", python)
    pip(lab, "install", "--upgrade", "--no-index", f"--find-links={tmp_path}/wheels", "packaging")
    seen = said(
        lab,
        "-c",
        "import torch, dllab_hub, packaging, sys;"
        "print(torch.ones(2).sum().item() == 2, packaging.VERSION, sys.prefix)",
    )

    assert f"True 99.0 {tmp_path / 'overlay'}" == seen
    assert "99.0" != said(Path(python), "-c", "import packaging; print(packaging.__version__)")
