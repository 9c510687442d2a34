"""`Taking`: a lab's GPUs, had at once or waited for, with the reason told all the while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from .. import diagnosis
from ..errors import DLLabError, NoCapacity
from ..leases import Lease, LeaseDir
from ..metrics import nvml
from ..specs import Catalog, Diagnosis, Forecast, LabSpec, candidates
from ..state import StateDir
from .story import Story, buttons
from .waiting import in_thread

if TYPE_CHECKING:
    from .local import LocalLabSpawner

__all__ = ("Stopped", "Taking", "free_gpus")

#: For a number that there is no forecast of: GPUs were lost since it was read.
_NEVER = Forecast(answer="never", message="Can never start here: there are not so many GPUs.")


class Stopped(Exception):
    """A start that cannot go on.

    Attributes:
        found: Why.
        error: The same for people who see no buttons.
    """

    def __init__(self, found: Diagnosis) -> None:
        super().__init__(found.message)
        self.found = found
        self.error: DLLabError = diagnosis.to_error(found)


class Taking:
    """The GPUs of one start.

    Args:
        spawner: Whose lab it is.
        story: Told what it waits for.
        spec: What was picked.
        catalog: As this person may see it.
    """

    def __init__(
        self, spawner: LocalLabSpawner, story: Story, spec: LabSpec, catalog: Catalog
    ) -> None:
        self.spawner = spawner
        self.story = story
        self._spec = spec
        self._catalog = catalog
        self._lab = spawner.lab  # Here, not in a thread: it asks the database.
        self._last: Diagnosis | None = None

    def _take(self, free: Collection[str] | None = None) -> Lease:
        """Take the GPUs, of these only when they are given."""
        wanted = candidates(nvml.gpus(), self._catalog, self._spec.gpu_type)
        return LeaseDir(self._lab.state.leases).take(
            [uuid for uuid in wanted if free is None or uuid in free],
            self._spec.gpus,
            self._lab.holder(self._spec),
            most=self._catalog.max_gpus_per_user,
        )

    async def now(self) -> Lease | None:
        """The GPUs when they are free; None when they are worth waiting for.

        Raises:
            Stopped: they are not free, and this lab does not wait, or waiting cannot help.
        """
        if not self._spec.gpus:
            return Lease((), ())
        try:
            return await in_thread(self._take)
        except NoCapacity as exc:
            self._last = found = await self._shortage(exc)
        if found and (found.final or not self._spec.wait):
            raise Stopped(found)
        return None

    async def _shortage(self, refusal: NoCapacity | None = None) -> Diagnosis | None:
        """Why the GPUs cannot be had; None when they are free just now."""
        capacity = self.spawner.capacity
        if refusal is not None:
            capacity.expire()  # It shows what was true a moment before.
        user = self.spawner.user.name
        table = await capacity.forecasts(user, self.spawner.groups, self._catalog)
        row = table[self._spec.gpu_type]
        forecast = row[self._spec.gpus] if self._spec.gpus < len(row) else _NEVER
        if forecast.answer == "now":
            if refusal is None:
                return None
            message = f"Has to wait: {refusal.message}"
            forecast = forecast.model_copy(update={"answer": "wait", "message": message})
        return diagnosis.no_free_gpu(self._spec.gpus, forecast)

    async def wait(self) -> Lease:
        """Wait for the GPUs as long as the person wants to; cancelled, it holds none.

        Raises:
            Stopped: the time is over, or waiting cannot help any more.
        """
        began = time.monotonic()
        until = time.strftime("%H:%M", time.localtime(time.time() + 60 * self._spec.wait))
        place = asyncio.create_task(self.spawner.line.join(self._take))
        try:
            while True:
                found = await self._shortage()
                if place.done():
                    return place.result()
                self._last = found or self._last
                waited = time.monotonic() - began
                over = waited >= 60 * self._spec.wait
                if self._last and (self._last.final or over):
                    raise Stopped(self._last)
                if found:
                    so_far = f"{waited // 60:.0f} min so far, waits until {until}."
                    more = so_far if waited >= 60 else f"Waits until {until}."
                    self.story.tell(found, more, self._buttons(found))
                await asyncio.wait({place}, timeout=2)
        except BaseException:
            place.cancel()
            place.add_done_callback(_give_back)
            raise

    def _buttons(self, found: Diagnosis) -> str:
        links, words = self.spawner.links, self.story.words
        return buttons(found, self._spec, links, words, waiting=True)


def free_gpus(state: StateDir) -> set[str]:
    """UUIDs of this machine's GPUs that nobody holds. Blocks."""
    held = LeaseDir(state.leases).held(nvml.inventory())
    return {uuid for uuid, holder in held.items() if holder is None}


def _give_back(task: asyncio.Task[Lease]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().release()
