"""What can be picked, and what a wish for GPUs would meet."""

from __future__ import annotations

from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Offer(LabHandler):
    """``catalog``."""

    @allowed
    async def get(self) -> None:
        """Images, volumes and limits, as far as they are for the person who asks."""
        self.query()
        offered = (await self.backend.catalog()).for_person(self.owner, self.groups)
        # What opens a bucket is handed to labs and jobs that may use it, not to every reader.
        hidden = tuple(volume.model_copy(update={"options": {}}) for volume in offered.volumes)
        self.reply(offered.model_copy(update={"volumes": hidden}))


class Room(LabHandler):
    """``capacity``."""

    @allowed
    async def get(self) -> None:
        """GPUs free and held; with ``gpus``, what a request for so many would meet.

        With ``target`` those of that place, else of the usual one.
        """
        query = self.query("gpus", "target")
        gpus, target = query.number("gpus"), query.text("target")
        self.reply(await self.backend.capacity(self.owner, gpus, target))


ROUTES = (("catalog", Offer), ("capacity", Room))
