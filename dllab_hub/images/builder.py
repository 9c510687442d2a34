"""Builds an environment with pip: what it costs, progress, and the kernel-side package last."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .._version import __version__
from ..errors import StorageFull, Unavailable
from .download import file_sizes, in_words, unpacked
from .environment import ImageEnv

__all__ = ("Builder", "Say")

#: Takes one line for people.
Say = Callable[[str], None]


class Builder:
    """Drives the environment's own pip; each method is one step and blocks until it is done.

    Everything pip says is kept in a log beside the environment.
    """

    def __init__(self, env: ImageEnv, say: Say) -> None:
        self.env = env
        self.say = say
        self.log = env.path.with_suffix(".log")
        # What was downloaded at length is kept when only our own small package could not be added.
        self.has_requirements = env.path / ".requirements"

    def create(self) -> None:
        """Make the virtual environment from the base interpreter, readable by every account."""
        self.say(f"{self.env.image.title}: making a virtual environment")
        base = getattr(sys, "_base_executable", sys.executable)
        self._run([base, "-m", "venv", str(self.env.path)], fresh=True)
        self.env.path.chmod(0o755)
        # Older ones cannot write the report and the raw progress that are read below.
        self._pip("install", "--quiet", "--upgrade", "pip>=25.1")

    def announce(self) -> None:
        """Say what the download and the disk will cost; refuse when the disk has no room."""
        self.say(f"{self.env.image.title}: looking up what has to be downloaded")
        report = self.env.path / "report.json"
        self._pip(
            *("install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)),
            *("--requirement", str(self.env.source / "requirements.txt")),
        )
        urls = [
            str(item["download_info"]["url"]) for item in json.loads(report.read_text())["install"]
        ]
        sizes = file_sizes(urls)
        known = [size for size in sizes if size is not None]
        size, unknown = sum(known), sizes.count(None)
        disk = sum(map(unpacked, known))
        about = "at least" if unknown else "about"
        tail = f" (the size of {unknown} of {len(urls)} files is not known)" if unknown else ""
        self.say(
            f"{self.env.image.title}: {about} {in_words(size)} to download, "
            f"{about} {in_words(disk)} on disk{tail}"
        )
        free = shutil.disk_usage(self.env.path).free
        if free < disk:
            raise StorageFull(
                f"{self.env.path.parent} has {in_words(free)} free and "
                f"{self.env.image.title} needs {about} {in_words(disk)}.",
                hint="Make room, or set DLLAB_ENVS to a directory on a larger disk.",
            )

    def requirements(self) -> None:
        """Download and install what the image lists."""
        self._pip(
            *("install", "--progress-bar", "raw"),
            *("--requirement", str(self.env.source / "requirements.txt")),
        )
        self.has_requirements.touch()

    def package(self) -> None:
        """Install the kernel-side package as the running one was installed."""
        kept = self.env.path / "constraints.txt"  # Nothing may move the framework afterwards.
        # Not `pip freeze`: it names a file that was installed from a path, which is no constraint.
        installed = json.loads("".join(self._pip("list", "--format", "json")))
        kept.write_text(
            "".join(f"{x['name']}=={x['version']}\n" for x in installed if x["name"] != "dllab-hub")
        )
        self.say(f"{self.env.image.title}: adding dllab-hub {__version__}")
        self._pip("install", "--quiet", "--constraint", str(kept), *_own_source())

    def _pip(self, *args: str) -> list[str]:
        python = str(self.env.python)
        return self._run([python, "-m", "pip", "--no-input", "--disable-pip-version-check", *args])

    def _run(self, argv: list[str], fresh: bool = False) -> list[str]:
        """Run to the end, following pip's own lines; its standard output is returned."""
        # A kernel needs no front end: whether this checkout has built it makes no difference.
        environ = {**os.environ, "SKIP_JUPYTER_BUILDER": "1", "PYTHONUNBUFFERED": "1"}
        environ.pop("PYTHONPATH", None)
        environ.pop("PIP_REQUIRE_VIRTUALENV", None)
        lines: list[str] = []
        follow = _Follow(self.env.image.title, self.say)
        with self.log.open("wb" if fresh else "ab") as log:
            log.write(f"$ {' '.join(argv)}\n".encode())
            log.flush()
            with subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environ,
                umask=0o022,  # Every account of the machine may read and run it.
                text=True,
                errors="replace",
            ) as process:
                try:
                    assert process.stdout is not None
                    for line in process.stdout:
                        follow(line)
                        if not line.startswith("Progress "):
                            lines.append(line.rstrip("\n"))
                            log.write(line.encode())
                except BaseException:
                    process.kill()  # Ctrl-C in the terminal: pip must not go on alone.
                    raise
            code = process.returncode
        if code:
            raise Unavailable(
                f"the environment of {self.env.image.title} could not be built: "
                f"{_last_error(self.log)}",
                hint=f"All of pip's lines are in {self.log}.",
            )
        return lines


class _Follow:
    """Turns pip's lines into a few for people: large files with their progress, and the install."""

    def __init__(self, title: str, say: Say) -> None:
        self.title = title
        self.say = say
        self.file = ""
        self.quarter = 0

    def __call__(self, line: str) -> None:
        words = line.split()
        if words[:1] in (["Downloading"], ["Processing"]) and len(words) > 1:
            self.file = unquote(words[1].rsplit("/", 1)[-1]).split("-cp")[0].removesuffix(".whl")
            self.quarter = 0
        elif words[:1] == ["Progress"] and len(words) == 4:
            done, size = int(words[1]), int(words[3])
            if size > 20e6 and 4 * done // size > self.quarter:
                self.quarter = 4 * done // size
                so_far = f"{in_words(done)} of {in_words(size)}"
                self.say(f"{self.title}: {self.file}: {so_far} downloaded")
        elif line.startswith("Installing collected packages"):
            count = line.count(",") + 1
            self.say(f"{self.title}: installing {count} packages, a minute or two")


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


def _last_error(log: Path) -> str:
    """Pip's own reason, from the last 16 KiB of its log."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    lines = [line.strip() for line in lines]
    by_pip = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    return (by_pip or raised or lines or ["no reason given"])[-1]
