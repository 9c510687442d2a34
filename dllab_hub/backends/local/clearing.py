"""`Clearing`: has the files of a job that has ended out of the way, and then removes them.

In this order: the directory gets another name, it is written down that the files are gone, and they
are removed. Cut short at any point, it can be gone on with. On a full disk, where nothing can be
written down, what is large is removed first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from ...errors import Conflict, NotFound, StorageFull, Unavailable
from ...names import slug
from ...specs import TrainingJob
from . import leftovers
from .look import has_shim
from .place import Place
from .removal import remove

__all__ = ("Clearing",)

_LOG = logging.getLogger(__name__)
#: A job that has just ended has a shim for a moment more, or is killed.
_LAST_MOMENTS = 20.0
_GONE = {"files": False, "checkpoint": None}


class Clearing:
    """Used on the event loop, but for `sweep`.

    Args:
        place: Where jobs lie.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    async def set_aside(self, owner: str, id: str) -> TrainingJob:
        """Have the job's directory out of the way, at once, and know that its files are gone.

        Raises:
            Conflict: the job has not ended, or goes on.
            NotFound: there is no such job.
            StorageFull: there is not even room after its files were removed.
            Unavailable: its last process does not end.
        """
        give_up = time.monotonic() + _LAST_MOMENTS
        job: TrainingJob | None = None
        while job is None:
            job = await self._place.keep(self._rename, owner, id)
            if job is not None:
                break
            if time.monotonic() > give_up:
                raise Unavailable("the job is still ending.", hint="Try again in a moment.")
            await asyncio.sleep(0.05)
        if not job.files:
            return job
        try:
            noted: TrainingJob | None = await self._place.keep(self._note, owner, id)
        except StorageFull:
            _LOG.warning("The files of %s are removed first: there is no room.", id)
            await asyncio.to_thread(self._make_room, owner, id)
            noted = await self._place.keep(self._note, owner, id)
        return _there(noted)

    def sweep(self, owner: str, id: str) -> None:
        """Remove what was set aside, and event files. What is left is tried again every hour."""
        self._remove(self._place.state.tensorboard, slug(owner), id)
        self._remove(self._place.state.jobs, self._aside(id).name)

    async def go_on(self) -> list[tuple[str, str]]:
        """Write down what a service, or a full disk, has cut short; id and owner of what is to be
        swept.
        """
        found = await asyncio.to_thread(leftovers.aside_now, self._place)
        for id, owner in found:
            await self._place.keep(self._note_again, owner, id)
        return found

    # On the thread of decisions.

    def _rename(self, owner: str, id: str) -> TrainingJob | None:
        """None while a shim is still there."""
        job = _there(self._place.store.find(owner, id))
        if not job.state.is_terminal or self._place.lines.find(id):
            raise Conflict(f"the job is {job.state.value}.", hint="Cancel it first.")
        if job.files:
            folder = self._place.folder(id)
            if has_shim(folder):
                return None
            with suppress(FileNotFoundError):
                folder.path.rename(self._aside(id))
        return job

    def _note_again(self, owner: str, id: str) -> None:
        job = self._place.store.find(owner, id)
        if job is not None and job.files and not self._place.folder(id).path.exists():
            self._note(owner, id)

    def _note(self, owner: str, id: str) -> TrainingJob | None:
        return self._place.lines.note(owner, id, _GONE)

    # In a thread.

    def _make_room(self, owner: str, id: str) -> None:
        # What says whose it was stays: a next service goes on by that.
        self._remove(self._place.state.jobs, self._aside(id).name, "run")
        self._remove(self._place.state.tensorboard, slug(owner), id)

    def _remove(self, root: Path, *parts: str) -> None:
        try:
            remove(root, *parts)
        except OSError as exc:
            _LOG.error("%s cannot be removed yet: %s", root.joinpath(*parts), exc)

    def _aside(self, id: str) -> Path:
        return leftovers.aside(self._place.state.jobs / id)


def _there(job: TrainingJob | None) -> TrainingJob:
    if job is None:
        raise NotFound("there is no such job.")
    return job
