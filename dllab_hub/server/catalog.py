"""What can be picked, and what a wish for GPUs would meet."""

from __future__ import annotations

from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Offer(LabHandler):
    """``catalog``."""

    @allowed
    async def get(self) -> None:
        """Images, volumes and limits."""
        self.query()
        self.reply(await self.backend.catalog())


class Room(LabHandler):
    """``capacity``."""

    @allowed
    async def get(self) -> None:
        """GPUs free and held; with ``gpus``, what a request for so many would meet."""
        query = self.query("gpus")
        self.reply(await self.backend.capacity(self.owner, query.number("gpus")))


ROUTES = (("catalog", Offer), ("capacity", Room))
