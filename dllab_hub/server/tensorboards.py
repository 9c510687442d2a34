"""Where TensorBoards are, and which directories they show."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic import Field

from ..errors import NotFound
from ..specs import Value
from . import logdirs
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)


class _Wish(Value):
    directory: str = Field(min_length=1, max_length=4096)
    name: str = Field(default="", max_length=40)


class _Boards(LabHandler):
    def board(self) -> tuple[dict[str, str], Path]:
        """The board to which directories are added, and the home that they are in."""
        if not self.lab.boards or self.lab.files is None:
            raise NotFound(
                "no TensorBoard is here.", hint="Pick TensorBoard when you start the lab."
            )
        return dict(self.lab.boards[0]), self.lab.files

    async def shown(self, board: dict[str, str]) -> dict[str, Any]:
        """The board with what has been added to it."""
        found = await asyncio.to_thread(logdirs.find, Path(board["logdir"]))
        added = [{"name": name, "path": path} for name, path in found.items()]
        return {**board, "directories": added}


class Boards(_Boards):
    """``tensorboards``."""

    @allowed
    async def get(self) -> None:
        """All boards of this host, with the directories that each one shows."""
        self.query()
        boards = [await self.shown(dict(board)) for board in self.lab.boards]
        self.reply({"tensorboards": boards})

    @allowed
    async def post(self) -> None:
        """Show one more directory."""
        self.query()
        wish = await self.read(_Wish.from_wire)
        board, home = self.board()
        await asyncio.to_thread(
            logdirs.add,
            Path(board["logdir"]),
            wish.directory,
            wish.name,
            home,
            logdirs.volume_paths(),
        )
        self.reply(await self.shown(board), HTTPStatus.CREATED)


class Directory(_Boards):
    """``tensorboards/{name}``."""

    @allowed
    async def delete(self, name: str) -> None:
        """Show a directory no more; its files stay."""
        self.query()
        board, _ = self.board()
        await asyncio.to_thread(logdirs.remove, Path(board["logdir"]), name)
        self.reply(await self.shown(board))


ROUTES = (("tensorboards", Boards), (r"tensorboards/([^/]+)", Directory))
