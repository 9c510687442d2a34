"""Which whole checkpoints a job has, of every format, read as a stranger's files are.

The rules are those that the job itself resumes by: see `dllab_hub.runtime.formats`. They block for
milliseconds and raise nothing for bad content, whatever a person has put there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ...runtime.formats import Found, Missing, search
from ...specs import Checkpoint
from .rundir import RunDir, Unreadable

__all__ = ("checkpoints", "files_of", "newest_checkpoint")

_FOLDER = "checkpoints"
#: One person's folder must not keep everybody's jobs waiting.
_SHARE = 20


def checkpoints(run: RunDir) -> tuple[Checkpoint, ...]:
    """The whole ones, newest first."""
    return tuple(checkpoint for checkpoint, _ in _all(run))


def newest_checkpoint(run: RunDir) -> Checkpoint | None:
    """The newest whole one, or None. Asked all the time, so it may cost only a part of a search."""
    return next((checkpoint for checkpoint, _ in _all(run, _SHARE)), None)


def files_of(run: RunDir, checkpoint: Checkpoint) -> tuple[tuple[str, ...], ...]:
    """All files of a checkpoint that is still whole, as parts below the run directory.

    Another job that has them can go on from it. Empty when the checkpoint is gone.
    """
    for one, found in _all(run):
        if one.path == checkpoint.path:
            return tuple((_FOLDER, *parts) for parts in found.files)
    return ()


def _all(run: RunDir, share: int = 1) -> Iterator[tuple[Checkpoint, Found]]:
    for found in search(_Untrusted(run), share):
        try:
            checkpoint = Checkpoint(
                step=found.step,
                path=str(run.path.joinpath(_FOLDER, *found.parts)),
                size=found.size,
                time=found.time,
                format=found.format,
            )
        except ValueError:
            continue  # A step or a time that is no number: its manifest lies.
        if math.isfinite(checkpoint.time):
            yield checkpoint, found


class _Untrusted:
    """The checkpoint folder, through `RunDir`."""

    def __init__(self, run: RunDir) -> None:
        self._run = run

    def names(self, *parts: str) -> list[str]:
        """Names in a folder; none when it is no folder of the job."""
        return self._run.names(_FOLDER, *parts)

    @contextmanager
    def opened(self, *parts: str) -> Iterator[int]:
        """A descriptor of a regular file of the account."""
        with ExitStack() as stack:
            try:
                fd, _ = stack.enter_context(self._run.opened(_FOLDER, *parts))
            except Unreadable as exc:
                raise Missing(str(exc)) from exc
            yield fd
