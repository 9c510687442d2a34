"""`overlay_of`: what a person has installed in a lab, for a job of theirs."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import NotFound
from ...names import NAME_PATTERN
from ...state import StateDir

__all__ = ("Overlay", "overlay_of")

_NAME = re.compile(NAME_PATTERN)
#: Name of the job's copy, in its run directory.
_PLACE = "overlay"
#: What is in every overlay: see ``images/overlay.py``.
_OURS = {"zzz-dllab-image.pth", "__pycache__"}


@dataclass(frozen=True)
class Overlay:
    """An overlay of a lab in which something is installed.

    Attributes:
        source: The lab's, or what a job that is resumed has of it. The person can write there.
        python: Interpreter of the job, which is there as soon as the shim has made its copy.
        plan: ``overlay`` in the job's plan.
    """

    source: Path
    python: Path
    plan: dict[str, Any]


def overlay_of(state: StateDir, owner: str, lab: str, image: str, run: Path) -> Overlay | None:
    """The overlay that a lab has on an image; None when nothing is installed in it. Blocks.

    A job that has run before goes on with what it had then, whatever became of the lab.

    Args:
        state: Where the labs are.
        owner: Person.
        lab: Id of the lab: ``DLLAB_LAB_ID`` in it.
        image: Name of the job's image.
        run: The job's run directory.

    Raises:
        NotFound: the owner has no such lab.
    """
    kept = run / _PLACE
    if kept.is_dir() and not kept.is_symlink():
        return _overlay(kept, run)
    if _has_run(run):
        return None
    folder = state.labs / lab
    if not _NAME.fullmatch(lab) or _owner(folder) != owner:
        raise NotFound("you have no such lab.", field="lab")
    source = folder / "overlay" / image
    if not _NAME.fullmatch(image) or not _has_packages(source):
        return None
    return _overlay(source, run)


def _overlay(source: Path, run: Path) -> Overlay:
    python = run / _PLACE / "bin" / "python"
    return Overlay(source, python, {"from": str(source), "to": _PLACE})


def _has_run(run: Path) -> bool:
    try:
        return bool(os.listdir(run / "attempts"))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _owner(folder: Path) -> str | None:
    try:
        about = json.loads((folder / "lab.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    owner = about.get("owner") if isinstance(about, dict) else None
    return owner if isinstance(owner, str) else None


def _has_packages(overlay: Path) -> bool:
    sites = overlay.glob("lib/python*/site-packages")
    return any(site.is_dir() and set(os.listdir(site)) - _OURS for site in sites)
