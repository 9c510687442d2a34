"""`environment_of`: what a job ran in, from the names of what is installed there."""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...catalog import HERE
from ...errors import DLLabError
from ...images import named
from ...specs import Environment, TrainingJob
from ...state import StateDir
from .rundir import RunDir, Unreadable

__all__ = ("environment_of",)

_OVERLAY = "overlay"
_PTH = "zzz-dllab-image.pth"
_INFO = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*?)-([A-Za-z0-9][A-Za-z0-9.!+_]*)\.dist-info")
_MOST = 5000


def environment_of(state: StateDir, job: TrainingJob, run: RunDir) -> Environment | None:
    """The image and the packages that a job had; None when it never started. Blocks.

    Args:
        state: Where environments lie.
        job: The job.
        run: Its run directory, as far as it is still there.
    """
    if not job.attempt:
        return None
    name = job.spec.image
    overlay = _overlay(run)
    if name == HERE:
        sites = [path for path in sys.path if path and os.path.isdir(path)]
        version = platform.python_version()
        return Environment(
            image=name,
            title=f"This Python {version}",
            python=version,
            packages=_packages(*_stamped(sites)),
            overlay=overlay,
        )
    title, place = "", _place(state, run)
    with suppress(DLLabError):  # It may be offered no more: then its name says what it was.
        image = named(state, name)
        title, place = image.image.title, place or image.path
    if place is None:
        return Environment(image=name, title=title, overlay=overlay)
    return Environment(
        image=name,
        title=title,
        python=_python(place),
        packages=_packages(*_stamped(str(site) for site in _sites(place))),
        overlay=overlay,
    )


def _place(state: StateDir, run: RunDir) -> Path | None:
    """The environment that the job was launched in: an image can be built anew meanwhile.

    What says so lies in the person's directory: it counts only where images are.
    """
    said: list[str] = []
    with suppress(Unreadable):
        said.append(str(run.read_json("plan.json").get("python")))
    for version in run.names(_OVERLAY, "lib"):
        with suppress(Unreadable):
            pth = run.read(_OVERLAY, "lib", version, "site-packages", _PTH)
            said += pth.decode("utf-8", "replace").splitlines()
    for text in said:
        path = Path(os.path.normpath(text)) if "\0" not in text else Path()
        with suppress(ValueError, IndexError):  # It lies elsewhere.
            place = state.envs / path.relative_to(state.envs).parts[0]
            if place.is_dir() and not place.is_symlink():
                return place
    return None


def _overlay(run: RunDir) -> dict[str, str]:
    """What the lab had beside the image's own."""
    found: dict[str, str] = {}
    for version in run.names(_OVERLAY, "lib"):
        found |= _named(run.names(_OVERLAY, "lib", version, "site-packages"))
    return found


def _sites(place: Path) -> list[Path]:
    return sorted(place.glob("lib/python3*/site-packages"))


def _python(place: Path) -> str:
    try:
        text = (place / "pyvenv.cfg").read_text()
    except OSError:
        return ""
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", text, re.MULTILINE)
    return found[1] if found else ""


def _stamped(sites: Iterable[str]) -> tuple[tuple[str, int], ...]:
    stamps = []
    for site in sites:
        with suppress(OSError):
            stamps.append((site, os.stat(site).st_mtime_ns))
    return tuple(stamps)


def _packages(*sites: tuple[str, int]) -> dict[str, str]:
    return dict(_listed(sites))


@functools.lru_cache(maxsize=64)
def _listed(sites: tuple[tuple[str, int], ...]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for site, _ in reversed(sites):  # What comes first is what is imported.
        with suppress(OSError):
            found |= _named(os.listdir(site))
    return tuple(sorted(found.items())[:_MOST])


def _named(names: Iterable[str]) -> dict[str, str]:
    """Version by package, from names such as ``torch-2.13.0.dist-info``."""
    found = sorted(match.groups() for name in names if (match := _INFO.fullmatch(name)))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found[:_MOST]}
