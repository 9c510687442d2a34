"""A magic about published models: ``%models``."""

from __future__ import annotations

from ..deploying import versions_of
from ..tables import models_text
from .session import Session, asks_help, parser_for, split

__all__ = ("ModelMagics",)


class ModelMagics:
    """What ``%deploy MODEL:VERSION`` can name.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("models",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def models(self, line: str) -> None:
        """List your published models, newest version first: ``%models [NAME]``."""
        parser = parser_for("%models")
        parser.add_argument("name", metavar="NAME", nargs="?", help="only this one")
        if asks_help(parser, words := split(line)):
            return
        print(models_text(versions_of(self._session.client(), parser.read(words).name)))
