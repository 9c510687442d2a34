"""Where TensorBoards are."""

from __future__ import annotations

from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class Boards(LabHandler):
    """``tensorboards``."""

    @allowed
    async def get(self) -> None:
        """All boards of this host, with the directory that each one shows."""
        self.query()
        self.reply({"tensorboards": [dict(board) for board in self.lab.boards]})


ROUTES = (("tensorboards", Boards),)
