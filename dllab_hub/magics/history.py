"""Magics about what is kept of jobs: ``%compare %note``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from ..job import find_job
from ..specs import MAX_COMPARED
from ..submission import add_notes, notes_of, notes_text
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import CompareView

__all__ = ("HistoryMagics",)


class HistoryMagics:
    """Each takes ids of jobs or their starts.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("compare", "note")

    def __init__(self, session: Session) -> None:
        self._session = session

    def compare(self, line: str) -> CompareView | None:
        """Show jobs beside each other: ``%compare A B [C ...]``: what differs in wish, environment,
        result and code, and their metrics in one chart. The first is what the others are compared
        with.
        """
        parser = parser_for("%compare")
        parser.add_argument("ids", nargs="+", metavar="ID")
        if asks_help(parser, words := split(line)):
            return None
        typed = parser.read(words).ids
        if not 2 <= len(typed) <= MAX_COMPARED:
            raise InvalidRequest(f"name 2 to {MAX_COMPARED} jobs.", hint="%jobs shows the ids.")
        from ..widgets import CompareView

        client = self._session.client()
        return CompareView(client.compare(*(find_job(client, id).id for id in typed)))

    def note(self, line: str) -> None:
        """Write something down about a job: ``%note [ID] [--tag T] [--untag T] [--notes TEXT]
        [--favourite]``. Without an ID it is the last job that was submitted here.
        """
        parser = parser_for("%note")
        parser.add_argument("id", nargs="?")
        add_notes(parser)
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        if options.id is None and self._session.last is None:
            raise InvalidRequest(
                "which job? Nothing was submitted from this kernel.",
                hint="%note ID names one; %jobs shows the ids.",
            )
        job = self._session.job(options.id)
        job.info = job.client.annotate(job.id, **notes_of(options, job.info))
        print(notes_text(job.info))
