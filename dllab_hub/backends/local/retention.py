"""`Retention`: how long the files of jobs that have ended are kept. Their records stay.

In ``catalog.toml``; without it, nothing is removed::

    [history]
    keep_files_days = 30     # after the end of a job
    keep_files_gb = 200      # of all ended jobs of one person; the oldest go first

The files of favourites are kept whatever this says.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pydantic import Field

from ...errors import Conflict, DLLabError, InvalidRequest, NotFound
from ...names import slug
from ...settings import only, read
from ...specs import TrainingJob
from ...specs.wire import Value
from ...state import StateDir
from .place import Place
from .records import moment_of
from .removal import size_of

__all__ = ("Policy", "Retention", "policy_of")

_LOG = logging.getLogger(__name__)
_GB = 10**9
_DAY = 24 * 3600


class Policy(Value):
    """What an administrator has decided; None: for ever.

    Attributes:
        keep_files_days: Days after the end of a job.
        keep_files_gb: Gigabytes of the files of all ended jobs of one person.
    """

    keep_files_days: float | None = Field(default=None, gt=0, le=36_500)
    keep_files_gb: float | None = Field(default=None, gt=0, le=10**9)


def policy_of(state: StateDir) -> Policy:
    """The policy in ``catalog.toml``.

    Raises:
        DLLabError: it is wrong; the message names the file and the key.
    """
    path = state.root / "catalog.toml"
    table = read(path).get("history", {})
    try:
        only(set(Policy.model_fields), table, "history")
        return Policy.from_wire(dict(table))
    except InvalidRequest as exc:
        field = exc.field if exc.field.startswith("history") else f"history.{exc.field}"
        raise DLLabError(
            f"{path} is wrong: {InvalidRequest(exc.message, hint=exc.hint, field=field)}",
            hint="The administrator can fix it. No file of a job is removed until then.",
        ) from exc


class Retention:
    """Removes what is kept no longer.

    Args:
        place: Where jobs lie.
        clear: Removes the files of a job: owner, id, and a sentence that says why.
    """

    def __init__(
        self, place: Place, clear: Callable[[str, str, str], Awaitable[TrainingJob]]
    ) -> None:
        self._place = place
        self._clear = clear
        self._sizes: dict[tuple[str, float], int] = {}  # Bytes, by id and end.

    async def apply(self, now: float | None = None) -> tuple[str, ...]:
        """Remove what is due; ids of the jobs it was.

        Args:
            now: Seconds since the epoch; None for the clock's.

        Raises:
            DLLabError: the policy is wrong.
        """
        policy = await asyncio.to_thread(policy_of, self._place.state)
        if policy == Policy():
            return ()
        due = await asyncio.to_thread(self._due, policy, time.time() if now is None else now)
        done = []
        for owner, id, moment, why in due:
            # The ones before may have taken hours.
            job = await asyncio.to_thread(self._place.store.find, owner, id)
            if job is None or job.favourite or moment_of(job) != moment:
                continue
            try:
                with suppress(Conflict, NotFound):  # Somebody was quicker: it goes on, or is gone.
                    await self._clear(owner, id, why)
                    done.append(id)
            except (DLLabError, OSError) as exc:  # Those of the others are to go.
                _LOG.warning("The files of %s are kept for now: %s", id, exc)
        return tuple(done)

    def _due(self, policy: Policy, now: float) -> list[tuple[str, str, float, str]]:
        """Owner, id and end of what is to go, oldest first, and why."""
        ended = [
            (owner, id, moment)
            for owner, id, moment, favourite in self._place.store.ended()
            if not favourite
        ]
        due: list[tuple[str, str, float, str]] = []
        if (days := policy.keep_files_days) is not None:
            why = f"The lab keeps the files of a job for {days:g} days after its end."
            due += [(*one, why) for one in ended if now - one[2] > days * _DAY]
        if (limit := policy.keep_files_gb) is not None:
            why = f"The lab keeps {limit:g} GB of files of the ended jobs of one person."
            old = {id for _, id, _, _ in due}
            used: dict[str, float] = defaultdict(float)
            for owner, id, moment in reversed(ended):
                if id in old:
                    continue
                used[owner] += self._size(owner, id, moment)
                if used[owner] > limit * _GB:
                    due.append((owner, id, moment, why))
        return due

    def _size(self, owner: str, id: str, moment: float) -> int:
        """Bytes of a job's files. They are counted once: nobody works there any more."""
        if (id, moment) not in self._sizes:
            state = self._place.state
            self._sizes[id, moment] = size_of(state.jobs, id) + size_of(
                state.tensorboard, slug(owner), id
            )
        return self._sizes[id, moment]
