"""Image environments: found, built once, shared, and never changed by our own package.

The builder is the real one with a real pip. What takes it a minute elsewhere is small here: an
index of three packages in a folder, one of which stands for ours, and a pip that is copied. With
nothing of that builds `test_images_built`, and `make` before any test runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_env
from small_wheel import wheel

from dllab_hub import images
from dllab_hub._version import __version__
from dllab_hub.errors import DLLabError, NotFound, StorageFull, Unavailable
from dllab_hub.images import builder
from dllab_hub.state import StateDir


def _create(self: builder.Builder) -> None:
    """`Builder.create` without a network and without unpacking Python's own pip first."""
    self.say(f"{self.env.image.title}: making a virtual environment")
    self.progress("making a virtual environment", 0)
    self.pip.run([sys.executable, small_env.__file__, str(self.env.path)], fresh=True)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a package, and what stands for ours: any of them will do for it."""
    folder = tmp_path_factory.mktemp("index")
    for version in ("3.6", "3.7"):
        wheel(folder, "idna", version)
    wheel(folder, "dllab-hub", __version__, needs=["idna"])
    return folder


@pytest.fixture(scope="module", autouse=True)
def _small(index: Path) -> Iterator[None]:
    """Builds take from the index."""
    [ours] = index.glob("dllab_hub-*.whl")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DLLAB_ENVS", raising=False)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(index))
        patch.setattr(builder.Builder, "create", _create)
        patch.setattr(builder, "_own_source", lambda: [str(ours)])
        yield


def write_image(state: StateDir, name: str, requirements: str, about: str = "") -> None:
    source = state.root / "images" / name
    source.mkdir(parents=True)
    (source / "requirements.txt").write_text(requirements)
    (source / "image.toml").write_text(
        about or f'title = "Image {name}"\nframework = "python"\nversion = "1"\n'
    )


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state", tmp_path / "envs")


class Built:
    """A small image that two builders made at the same time, over a half-built environment."""

    def __init__(self, root: Path) -> None:
        self.state = StateDir(root / "state", root / "envs")
        # Older than what our package's own dependencies would bring.
        write_image(self.state, "tiny", "idna==3.6\n")
        [self.half] = [e for e in images.find(self.state) if e.image.name == "tiny"]
        (self.half.path / "bin").mkdir(parents=True)
        (self.half.path / "bin" / "left-over").touch()
        self.said: list[str] = []
        self.steps: list[images.Step] = []
        self.results: list[images.ImageEnv] = []
        builders = [threading.Thread(target=self.build) for _ in range(2)]
        for thread in builders:
            thread.start()
        for thread in builders:
            thread.join()

    def build(self) -> None:
        self.results.append(images.build(self.state, "tiny", self.said.append, self.steps.append))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("image"))


def test_two_builders_make_one_environment(built: Built) -> None:
    """The second waits for the first; both get the finished environment."""
    made = [line for line in built.said if "making a virtual environment" in line]

    assert (len(made), len(built.results)) == (1, 2)
    assert all(env.ready for env in built.results)


def test_a_half_built_environment_is_started_over(built: Built) -> None:
    """Nothing of an interrupted build is left."""
    assert not (built.half.path / "bin" / "left-over").exists()


def test_the_size_is_said_before_the_download(built: Built) -> None:
    """The cost stands before the first installed package."""
    cost = next(i for i, line in enumerate(built.said) if "to download" in line)
    installing = next(i for i, line in enumerate(built.said) if "installing" in line)

    assert cost < installing
    assert "on disk" in built.said[cost]


def test_our_package_is_there_and_moved_nothing(built: Built) -> None:
    """The environment imports dllab_hub, and the image's pin still holds."""
    said = subprocess.run(
        [
            *(built.half.python, "-P", "-c"),
            "import dllab_hub, importlib.metadata as m; "
            "print(dllab_hub.VERSION, m.version('idna'))",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout.split()

    assert [__version__, "3.6"] == said


def test_every_account_may_use_it(built: Built) -> None:
    """Directories are passable and files readable for others."""
    closed = [
        path
        for path in (built.half.path, *built.half.path.rglob("*"))
        if not path.is_symlink() and not path.stat().st_mode & (0o001 if path.is_dir() else 0o004)
    ]

    assert closed == []


def test_a_complete_environment_takes_milliseconds(built: Built) -> None:
    """The second call says nothing and starts nothing."""
    said: list[str] = []
    began = time.perf_counter()

    images.build(built.state, "tiny", said.append)

    assert time.perf_counter() - began < 0.1
    assert said == []


def test_another_version_renews_only_our_package(built: Built) -> None:
    """An update of dllab-hub does not download the framework again."""
    marker = built.half.path / ".complete"
    marker.write_text(json.dumps({"dllab_hub": "0.0.1"}))
    left = built.half.path.with_suffix(".downloads")
    left.mkdir()  # Of a builder that was killed when all was installed.
    said: list[str] = []

    images.build(built.state, "tiny", said.append)

    assert not left.exists()
    assert f"Image tiny: updating dllab-hub from 0.0.1 to {__version__}" == said[0]
    assert not any("to download" in line for line in said)
    assert __version__ == json.loads(marker.read_text())["dllab_hub"]


def test_new_needs_renew_our_package(built: Built) -> None:
    """An environment that was built before the package needed something gets it, once."""
    marker = built.half.path / ".complete"
    marker.write_text(json.dumps(json.loads(marker.read_text()) | {"needs": "httpx"}))
    said: list[str] = []

    images.build(built.state, "tiny", said.append)
    images.build(built.state, "tiny", lambda line: said.append(f"again: {line}"))

    assert f"Image tiny: updating dllab-hub to {__version__}" == said[0]
    assert not any(line.startswith("again") for line in said)


def test_a_renewal_that_fails_costs_nothing(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image stays usable when its new kernel-side package cannot be installed."""

    def no_network(self: builder.Builder) -> None:
        raise Unavailable("no network")

    marker = built.half.path / ".complete"
    before = marker.read_text()
    marker.write_text(json.dumps({"dllab_hub": "0.0.1"}))
    monkeypatch.setattr(builder.Builder, "package", no_network)
    with pytest.raises(Unavailable):
        images.build(built.state, "tiny", lambda line: None)
    ready = built.half.ready
    marker.write_text(before)

    assert ready


def test_other_requirements_make_another_environment(state: StateDir) -> None:
    """A changed requirement never changes an environment that a lab may be using."""
    write_image(state, "a", "idna==3.6\n")
    [first] = [e.path for e in images.find(state) if e.image.name == "a"]
    (state.root / "images" / "a" / "requirements.txt").write_text("idna==3.7\n")

    [second] = [e.path for e in images.find(state) if e.image.name == "a"]

    assert first != second


def test_a_built_image_is_ready(built: Built) -> None:
    """Its state says so, and nothing of the build is left beside it."""
    env = images.named(built.state, "tiny")

    assert ("ready", "") == (env.image.state, env.image.progress)
    assert {f"{env.path.name}{end}" for end in ("", ".lock", ".log")} == {
        path.name for path in env.path.parent.iterdir()
    }


def test_the_percent_never_falls(built: Built) -> None:
    """A progress bar moves from the start to the end."""
    seen = [step.percent for step in built.steps if step.percent is not None]

    assert seen == sorted(seen)
    assert (0, 95) == (seen[0], seen[-1])


def test_an_unbuilt_image_says_how_to_build_it(state: StateDir) -> None:
    """Asking for its interpreter names the command."""
    with pytest.raises(Unavailable, match="dllab env build pytorch"):
        images.python_of(state, "pytorch")


def test_an_unknown_image_lists_the_known_ones(state: StateDir) -> None:
    """A typing error is answered with the names there are."""
    with pytest.raises(NotFound, match="Choose one of: base, jax, pytorch"):
        images.build(state, "pytroch", print)


def test_pips_own_reason_is_told(state: StateDir) -> None:
    """A requirement that cannot be met ends in one sentence of pip's, and its log's path."""
    write_image(state, "bad", "dllab-hub-no-such-package==99\n")

    with pytest.raises(Unavailable) as caught:
        images.build(state, "bad", lambda text: None)

    assert "dllab-hub-no-such-package" in caught.value.message
    assert ".log" in caught.value.hint
    assert not any(env.ready for env in images.find(state))


@pytest.mark.parametrize(
    "about",
    [
        "title = ",
        'title = "x"\n',
        "title = 3\nframework = 4\n",
        'title = "x"\nframework = "x"\nversion = "1"\nserves = "onnx"\n',
        'title = "x"\nframework = "x"\nversion = "1"\nverison = "1"\n',
    ],
)
def test_a_broken_image_file_is_named(state: StateDir, about: str) -> None:
    """An administrator reads which file is wrong."""
    write_image(state, "broken", "", about)

    with pytest.raises(DLLabError, match="images/broken"):
        images.find(state)


def test_too_small_a_disk_is_said_before_the_download(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that cannot fit stops before it downloads anything."""
    write_image(state, "huge", "idna==3.6\n")
    monkeypatch.setattr(builder, "file_sizes", lambda urls: [10**15])

    with pytest.raises(StorageFull, match="free and Image huge needs about"):
        images.build(state, "huge", lambda text: None)
