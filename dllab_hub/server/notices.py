"""How the person is told of what became of their jobs."""

from __future__ import annotations

from ..specs import NoticeWish
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Notices(LabHandler):
    """``notices``."""

    @allowed
    async def get(self) -> None:
        """What is set, and what was sent of late."""
        self.query()
        self.reply(await self.backend.notices.settings(self.owner))

    @allowed
    async def put(self) -> None:
        """Set it anew."""
        self.query()
        wish = await self.read(NoticeWish.from_wire)
        self.reply(await self.backend.notices.set(self.owner, wish))


class Test(LabHandler):
    """``notices/test``."""

    @allowed
    async def post(self) -> None:
        """Send a test now."""
        self.query()
        self.reply(await self.backend.notices.test(self.owner))


ROUTES = (("notices", Notices), ("notices/test", Test))
