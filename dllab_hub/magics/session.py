"""`Session`: what all magics of one notebook share; and how they read their line."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any, TypeVar

from ..client import Client
from ..errors import InvalidRequest
from ..job import Job, find_job
from ..submission import Words

if TYPE_CHECKING:
    from ..widgets.live import Live

    _View = TypeVar("_View", bound=Live)

__all__ = ("Session", "asks_help", "parser_for", "split")


#: What the notebook calls the last job that was submitted.
_HANDLE = "_job"


class Session:
    """The shell, one client, the views that ask the lab, and the last job.

    Attributes:
        last: Id of the last job that was submitted here, or None.

    Args:
        shell: Of IPython.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.last: str | None = None
        self._made: tuple[tuple[str | None, ...], Client] | None = None
        self._polling: dict[tuple[object, ...], Live] = {}

    def client(self) -> Client:
        """One client for as long as the environment says the same."""
        names = ("DLLAB_API_URL", "DLLAB_API_TOKEN", "JUPYTERHUB_API_TOKEN")
        key = tuple(os.environ.get(name) for name in names)
        if self._made is None or self._made[0] != key:
            self._made = key, Client()
        return self._made[1]

    def job(self, id: str | None) -> Job:
        """The job of this id or of its start; the last one submitted here, else the newest."""
        client = self.client()
        return Job(client, find_job(client, id or self.last))

    def handle(self, job: Job) -> None:
        """Make ``_job`` of a job that was submitted here."""
        self.last = job.id
        # Not interactive: it stays out of %who.
        self.shell.push({_HANDLE: job}, interactive=False)

    def only(self, view: _View, *about: str) -> _View:
        """Only the newest cell that shows a thing keeps it fresh: one polling thread for each."""
        key = (type(view), *about)
        if old := self._polling.get(key):
            old.close()
        self._polling[key] = view
        return view

    def close(self) -> None:
        """Stop asking the lab."""
        for view in self._polling.values():
            view.close()
        for view in self._polling.values():
            view.join(5)  # The client must not be closed under a question.
        self._polling.clear()
        if self._made is not None:
            self._made[1].close()
            self._made = None


def parser_for(name: str) -> Words:
    """A reader of the line of one magic."""
    return Words(prog=name, add_help=False, allow_abbrev=False)


def asks_help(parser: Words, words: list[str]) -> bool:
    """Print the options when the line asks for them."""
    if not {"-h", "--help"} & set(words):
        return False
    print(parser.format_help())
    return True


def split(line: str) -> list[str]:
    """Words as a terminal would see them."""
    try:
        return shlex.split(line)
    except ValueError as exc:
        raise InvalidRequest(
            f"the line cannot be read: {exc}.", hint="Quotes come in pairs."
        ) from None
