"""What the GPUs of the machine do."""

from __future__ import annotations

from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Gpus(LabHandler):
    """``gpus``."""

    @allowed
    async def get(self) -> None:
        """All GPUs now."""
        self.query()
        self.reply(await self.lab.report(self.owner))


ROUTES = (("gpus", Gpus),)
