"""Magics about the machine: ``%gpus %board``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound
from ..submission import whole
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import BoardView, GpuView

__all__ = ("MachineMagics",)


class MachineMagics:
    """What there is beside jobs and models.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("gpus", "board")

    def __init__(self, session: Session) -> None:
        self._session = session

    def gpus(self, line: str) -> GpuView | None:
        """Show the GPUs of this lab's machine: ``%gpus``."""
        parser = parser_for("%gpus")
        if asks_help(parser, words := split(line)):
            return None
        parser.read(words)
        from ..widgets import GpuView

        client = self._session.client()
        return self._session.only(GpuView(client, person=str(client.status()["user"])))

    def board(self, line: str) -> BoardView | None:
        """Show TensorBoard with all your runs: ``%board [--height PIXELS]``."""
        parser = parser_for("%board")
        parser.add_argument("--height", type=whole(100, 5000), default=700, metavar="PIXELS")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        url = self._session.client().tensorboard_url()
        if url is None:
            raise NotFound(
                "there is no TensorBoard in this lab.",
                hint="It is one of the choices when a lab is started.",
            )
        from ..widgets import BoardView

        return BoardView(url, options.height)
