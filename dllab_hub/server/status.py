"""Who asks, and what answers."""

from __future__ import annotations

from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Status(LabHandler):
    """``status``."""

    @allowed
    async def get(self) -> None:
        """Who asks, and what answers."""
        self.query()
        self.reply(await self.lab.status(self.owner))


ROUTES = (("status", Status),)
