"""`ImageEnv`: an image and the place of its environment; where images are found."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DLLabError, InvalidRequest, NotFound, Unavailable
from ..specs import Image
from ..state import StateDir

__all__ = ("ImageEnv", "MARKER", "find", "named", "python_of")

#: Written last: an environment that has this file was built to the end.
MARKER = ".complete"


@dataclass(frozen=True)
class ImageEnv:
    """An image and the place of its environment, built or not.

    Attributes:
        image: What people pick.
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
        return (self.path / MARKER).is_file()


def find(state: StateDir) -> list[ImageEnv]:
    """Every image there is, by name; whether its environment is built is `ImageEnv.ready`.

    Raises:
        DLLabError: an ``image.toml`` cannot be read; the message names it.
    """
    sources: dict[str, Path] = {}
    for folder in (*_shipped(), state.root / "images"):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if (path / "image.toml").is_file():
                    sources[path.name] = path
    return [_read(state, source) for _, source in sorted(sources.items())]


def python_of(state: StateDir, name: str) -> Path:
    """The interpreter of a built image.

    Raises:
        NotFound: no such image.
        Unavailable: its environment is not built.
    """
    env = named(state, name)
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


def _read(state: StateDir, source: Path) -> ImageEnv:
    try:
        about: dict[str, Any] = tomllib.loads((source / "image.toml").read_text())
        requirements = (source / "requirements.txt").read_bytes()
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        fields = ("title", "framework", "version", "description", "serves")
        given = {key: about[key] for key in fields if key in about}
        image = Image.from_wire({"name": source.name, "python": python, **given})
    except (OSError, ValueError, InvalidRequest) as exc:
        raise DLLabError(f"the image in {source} cannot be read: {exc}") from exc
    digest = hashlib.sha256(requirements + python.encode()).hexdigest()[:12]
    return ImageEnv(image, state.envs / f"{source.name}-{digest}", source)
