"""What the machine, or the container of a lab, has left."""

from __future__ import annotations

import asyncio

from ..errors import Unavailable
from ..runtime.data import VolumeError
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class HostNow(LabHandler):
    """``host``: of the server that is asked, which in a lab is the lab's own."""

    @allowed
    async def get(self) -> None:
        """CPU, memory and disks now."""
        self.query()
        try:
            self.reply(await asyncio.to_thread(self.lab.host.read))
        except VolumeError as exc:
            raise Unavailable(str(exc), hint="Restart the lab.") from exc


ROUTES = (("host", HostNow),)
