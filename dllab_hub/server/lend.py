"""Whether a lab lends its GPUs to the jobs of the same person."""

from __future__ import annotations

from ..specs import Lending
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Lend(LabHandler):
    """``gpus/lend``."""

    @allowed
    async def put(self) -> None:
        """Lend the GPUs of a lab, or no longer; the answer is what is free then."""
        self.query()
        wish = await self.read(Lending.from_wire)
        answer = await self.backend.lend(self.owner, wish.lab, wish.lend)
        self.lab.forget_holders()
        self.reply(answer)


ROUTES = (("gpus/lend", Lend),)
