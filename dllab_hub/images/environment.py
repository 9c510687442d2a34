"""`ImageEnv`: an image and the place of its environment; where images are found."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DLLabError, InvalidRequest, NotFound, Unavailable
from ..specs import Image
from ..state import StateDir
from .progress import read

__all__ = ("ImageEnv", "MARKER", "find", "named", "python_of")

#: Written last: an environment that has this file was built to the end.
MARKER = ".complete"
#: What an ``image.toml`` may say. ``python`` is the container's; an environment of this machine has
#: the Python that the hub runs in.
_FIELDS = ("title", "framework", "version", "description", "tags", "serves", "container")
_OTHERS = ("python", "contains")


@dataclass(frozen=True)
class ImageEnv:
    """An image and the place of its environment, built or not.

    Attributes:
        image: What people pick; its ``state`` and ``progress`` are those of the moment it was read.
        path: The virtual environment, below ``envs``.
        source: Directory with ``image.toml`` and ``requirements.txt``.
    """

    image: Image
    path: Path
    source: Path

    @property
    def python(self) -> Path:
        """The interpreter of kernels and workers."""
        return self.path / "bin" / "python"

    @property
    def ready(self) -> bool:
        """Whether the environment was built to the end."""
        return os.path.isfile(f"{self.path}/{MARKER}")


def find(state: StateDir) -> list[ImageEnv]:
    """Every image there is, by name, each with the state of its environment now.

    Raises:
        DLLabError: an ``image.toml`` cannot be read; the message names it.
    """
    # Texts, as it is done for every form: with a hundred images paths take longer than the disk.
    sources: dict[str, str] = {}
    for folder in (*_shipped(), state.root / "images"):
        if folder.is_dir():
            for entry in os.scandir(folder):
                # With a dot it is half written: see `sharing.adopt`.
                if not entry.name.startswith(".") and os.path.isfile(f"{entry.path}/image.toml"):
                    sources[entry.name] = entry.path
    return [_look(state, source) for _, source in sorted(sources.items())]


def python_of(state: StateDir, name: str) -> Path:
    """The interpreter of a built image.

    Raises:
        NotFound: no such image.
        Unavailable: its environment is not built, or still being built; the message says which.
    """
    env = named(state, name)
    if env.image.state == "building":
        raise Unavailable(
            f"the environment of the image {name} is being built ({env.image.progress}).",
            hint="Try again when it is done.",
        )
    if not env.ready:
        raise Unavailable(
            f"the environment of the image {name} is not built.",
            hint=f"Run: dllab env build {name}",
        )
    return env.python


def named(state: StateDir, name: str) -> ImageEnv:
    """The image of this name, built or not; `NotFound` lists the names there are."""
    envs = find(state)
    for env in envs:
        if env.image.name == name:
            return env
    names = ", ".join(env.image.name for env in envs)
    raise NotFound("there is no such image.", hint=f"Choose one of: {names}.", field="image")


def _shipped() -> Iterator[Path]:
    """In a wheel the images are package data; in a checkout they lie at its top."""
    package = Path(__file__).parent.parent
    yield package.parent / "images"
    yield package / "share" / "images"


def _look(state: StateDir, source: str) -> ImageEnv:
    try:
        # The catalog is read for every form: an unchanged file is not parsed again.
        stamps = [
            (found.st_mtime_ns, found.st_size, found.st_ino)
            for found in (os.stat(f"{source}/{n}") for n in ("image.toml", "requirements.txt"))
        ]
        image, digest = _read(source, *stamps)
    except (OSError, ValueError, InvalidRequest) as exc:
        raise DLLabError(f"the image in {source} cannot be read: {exc}") from exc
    env = ImageEnv(image, state.envs / f"{image.name}-{digest}", Path(source))
    if env.ready:
        return env  # Also while only our own package is renewed.
    step = read(env.path)
    now = {"state": "building", "progress": str(step)} if step else {"state": "missing"}
    return ImageEnv(image.model_copy(update=now), env.path, env.source)


@functools.lru_cache(maxsize=256)
def _read(folder: str, *stamps: tuple[int, int, int]) -> tuple[Image, str]:
    source = Path(folder)
    about: dict[str, Any] = tomllib.loads((source / "image.toml").read_text())
    unknown = sorted(set(about) - {*_FIELDS, *_OTHERS})
    if unknown:
        hint = f"Known keys: {', '.join(sorted((*_FIELDS, *_OTHERS)))}."
        raise InvalidRequest("there is no such key.", hint=hint, field=unknown[0])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    given = {key: about[key] for key in _FIELDS if key in about}
    image = Image.from_wire({"name": source.name, "python": python, **given})
    requirements = (source / "requirements.txt").read_bytes()
    return image, hashlib.sha256(requirements + python.encode()).hexdigest()[:12]
