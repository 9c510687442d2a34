"""Builds an environment with pip: what it costs, progress, and the kernel-side package last."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .._version import __version__
from ..errors import StorageFull, Unavailable
from .download import file_sizes, in_words, unpacked
from .environment import ImageEnv
from .pip import Pip, Say
from .progress import Progress, beside
from .wheels import Wheel, Wheels, cost, read_report

__all__ = ("Builder", "Say")

#: Shares of the whole build, percent: looking up, downloading and installing end there.
_FOUND, _FETCHED, _INSTALLED = 5, 60, 95


class Builder:
    """Drives the environment's own pip; each method is one step and blocks until it is done.

    Everything pip says is kept in a log beside the environment.

    Args:
        env: What to build.
        say: Gets a line at each step.
        progress: Gets every percent.
        lock: Of the build; pip inherits it.
    """

    def __init__(
        self, env: ImageEnv, say: Say, progress: Progress, lock: int | None = None
    ) -> None:
        self.env = env
        self.say = say
        self.progress = progress
        self.pip = Pip(env.image.title, env.python, beside(env.path, "log"), say, lock)
        self.wheels = Wheels(beside(env.path, "downloads"))
        self.files: list[Wheel] = []
        self.only_files = True
        # What was downloaded at length is kept when only our own small package could not be added.
        self.has_requirements = env.path / ".requirements"

    @property
    def _title(self) -> str:
        return self.env.image.title

    @property
    def _list(self) -> tuple[str, str]:
        return "--requirement", str(self.env.source / "requirements.txt")

    def create(self) -> None:
        """Make the virtual environment from the base interpreter, readable by every account."""
        self.say(f"{self._title}: making a virtual environment")
        self.progress("making a virtual environment", 0)
        base = getattr(sys, "_base_executable", sys.executable)
        self.pip.run([base, "-m", "venv", str(self.env.path)], fresh=True)
        self.env.path.chmod(0o755)
        # Older ones cannot write the report and the raw progress that are read below.
        self.pip("install", "--quiet", "--upgrade", "pip>=25.1")

    def announce(self) -> None:
        """Say what the download and the disk will cost; refuse when the disk has no room."""
        self.files = self.wheels.remembered()
        if self.files:
            self.say(f"{self._title}: going on where the last build stopped")
        else:
            self.say(f"{self._title}: looking up what has to be downloaded")
            self.progress("looking up what has to be downloaded", 1)
            self._look_up()
        files = self.files
        size = sum(wheel.size or 0 for wheel in files)
        disk = sum(unpacked(wheel.size or 0) for wheel in files)
        todo = self.wheels.missing(files)
        rest = f"; {in_words(todo)} of it not here yet" if todo < size else ""
        self.say(f"{self._title}: {cost(files)}{rest}, about {in_words(disk)} on disk")
        free = shutil.disk_usage(self.env.path).free
        if free < disk + todo:
            raise StorageFull(
                f"{self.env.path.parent} has {in_words(free)} free and "
                f"{self._title} needs about {in_words(disk + todo)} while it is built.",
                hint="Make room, or set DLLAB_ENVS to a directory on a larger disk.",
            )

    def requirements(self) -> None:
        """Download and install what the image lists."""
        if not (self.only_files and self._fetch()):
            self.progress("downloading and installing", _FOUND)
            self.pip("install", "--progress-bar", "raw", *self._list)
        self.has_requirements.touch()

    def package(self) -> None:
        """Install the kernel-side package as the running one was installed."""
        self.progress("adding dllab-hub", _INSTALLED)
        kept = self.env.path / "constraints.txt"  # Nothing may move the framework afterwards.
        # Not `pip freeze`: it names a file that was installed from a path, which is no constraint.
        installed = json.loads("".join(self.pip("list", "--format", "json")))
        kept.write_text(
            "".join(f"{x['name']}=={x['version']}\n" for x in installed if x["name"] != "dllab-hub")
        )
        self.say(f"{self._title}: adding dllab-hub {__version__}")
        self.pip("install", "--quiet", "--constraint", str(kept), *_own_source())

    def _fetch(self) -> bool:
        """Download and install the files; False when one of them cannot be had."""
        folder = self.wheels.folder
        try:
            paths = self.wheels.fetch(self.files, self._fetched)
        except Unavailable as exc:
            # An index that wants a password, a file that is gone: pip knows more ways than we do.
            self.say(f"{self._title}: {exc.message} Leaving the download to pip.")
            return False
        wanted, built = folder / "wheels.txt", folder / "sources.txt"
        pairs = [*zip(self.files, paths, strict=True)]
        wheels = [f"{w.name}=={w.version}\n" for w, path in pairs if path.suffix == ".whl"]
        sources = [f"{path.absolute().as_uri()}\n" for _, path in pairs if path.suffix != ".whl"]
        wanted.write_text("".join(wheels))
        built.write_text("".join(sources))
        with self._watched(self.files):
            # All of it is known: without a second look at what depends on what.
            here = ("--no-index", "--find-links", str(folder))
            if wheels:
                self.pip("install", "--no-deps", *here, "--requirement", str(wanted))
            if sources:
                self.pip("install", "--no-deps", "--requirement", str(built))
        return True

    def _look_up(self) -> None:
        report = self.env.path / "report.json"
        self.pip(
            *("install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)),
            *self._list,
        )
        self.files, self.only_files = read_report(json.loads(report.read_text()), file_sizes)
        if self.only_files:
            self.wheels.remember(self.files)

    def _fetched(self, done: int, name: str) -> None:
        size = sum(wheel.size or 0 for wheel in self.files if wheel.path is None)
        share = min(1.0, done / size) if size else 0.0
        self.progress(
            f"downloading {_short(name)}, {in_words(done)} of {in_words(size)}",
            _FOUND + share * (_FETCHED - _FOUND),
        )

    @contextmanager
    def _watched(self, files: Sequence[Wheel]) -> Iterator[None]:
        """Pip does not say how far it is with installing: what is there by now does."""
        sizes = {_plain(wheel.name): wheel.size or 1 for wheel in files}
        whole = sum(sizes.values())
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(0.5):
                there = {_plain(p.name.split("-")[0]) for p in self.env.path.glob(_INSTALLED_AS)}
                done = sum(size for name, size in sizes.items() if name in there)
                count = f"{len(there & set(sizes))} of {len(sizes)} packages"
                self.progress(
                    f"installing, {count}", _FETCHED + done / whole * (_INSTALLED - _FETCHED)
                )

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


_INSTALLED_AS = "lib/python*/site-packages/*.dist-info"


def _plain(name: str) -> str:
    """PEP 503, and what file names make of it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _short(name: str) -> str:
    return "-".join(name.split("-")[:2])


def _own_source() -> list[str]:
    """What to hand to ``pip install`` to get the package that is running now (PEP 610)."""
    checkout = Path(__file__).parent.parent.parent
    try:
        text = metadata.distribution("dllab-hub").read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # A checkout that is only on the path.
        return ["--editable", str(checkout)]
    origin: dict[str, Any] = (
        json.loads(text) if text else {"url": ""}
    )  # No such record: it came from an index.
    path = unquote(urlsplit(origin["url"]).path)
    if not origin["url"].startswith("file:") or not Path(path).exists():
        return [f"dllab-hub=={__version__}"]
    return ["--editable", path] if origin.get("dir_info", {}).get("editable") else [path]
