"""`artefacts`: what a job left beside its code."""

from __future__ import annotations

import heapq
import os
import stat
import time
from collections.abc import Collection, Iterator

from ...specs import Artefact
from .rundir import RunDir

__all__ = ("artefacts",)

_MOST = 200
#: A person's tree must not keep the records of everybody else waiting.
_MOST_NAMES, _MOST_SECONDS, _DEEPEST = 50_000, 5.0, 20
_PLACES = ("workspace", "checkpoints")
_DULL = {"__pycache__", ".ipynb_checkpoints", ".git"}


def artefacts(run: RunDir, own: Collection[str]) -> tuple[Artefact, ...]:
    """The files in workspace and checkpoints, largest first, at most 200. Blocks.

    Links are not followed. A tree that is too large is looked through in part.

    Args:
        run: Of the job.
        own: Paths below the workspace of what was submitted.
    """
    found = (one for one in _files(run) if one.path.removeprefix("workspace/") not in own)
    return tuple(heapq.nlargest(_MOST, found, key=lambda one: (one.size, one.path)))


def _files(run: RunDir) -> Iterator[Artefact]:
    give_up = time.monotonic() + _MOST_SECONDS
    seen = 0
    waiting: list[tuple[str, ...]] = [(place,) for place in reversed(_PLACES)]
    while waiting and seen < _MOST_NAMES and time.monotonic() < give_up:
        at = waiting.pop()
        for name, about in run.entries(*at):
            seen += 1
            if stat.S_ISDIR(about.st_mode):
                if name not in _DULL and len(at) < _DEEPEST:
                    waiting.append((*at, name))
            elif stat.S_ISREG(about.st_mode) and not name.endswith(".pyc"):
                path = os.fsencode("/".join((*at, name))).decode("utf-8", "replace")
                yield Artefact(path=path, size=about.st_size, time=max(about.st_mtime, 0.0))
