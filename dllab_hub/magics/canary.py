"""Magics about versions that serve side by side: ``%canary %promote %rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..deployed import Deployed
from ..specs import Deployment
from ..submission import add_canary, canary_of
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import DeploymentView

__all__ = ("CanaryMagics", "view_of")


class CanaryMagics:
    """Each shows the deployment as it is then.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("canary", "promote", "rollback")

    def __init__(self, session: Session) -> None:
        self._session = session

    def canary(self, line: str) -> DeploymentView | None:
        """Have another version answer a part of the requests: ``%canary NAME VERSION``.

        ::

            %canary digits 2 --percent 10

        It is rolled back by itself when too many of its answers are errors, or take too long.
        Again with the same version it changes the part; ``%promote`` and ``%rollback`` end it.
        Options: --percent P --replicas N --max-errors S --max-slowdown X.
        """
        parser = parser_for("%canary")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        add_canary(parser)
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        canary = canary_of(options)
        return view_of(self._session, self._session.client().canary(options.name, canary))

    def promote(self, line: str) -> DeploymentView | None:
        """Have the canary's version answer everything: ``%promote NAME``."""
        name = _only_name("%promote", line)
        return (
            None if name is None else view_of(self._session, self._session.client().promote(name))
        )

    def rollback(self, line: str) -> DeploymentView | None:
        """End the canary; without one, serve what was served before: ``%rollback NAME``."""
        name = _only_name("%rollback", line)
        return (
            None if name is None else view_of(self._session, self._session.client().rollback(name))
        )


def view_of(session: Session, info: Deployment) -> DeploymentView:
    """The view of a deployment, and of it the only one that asks the lab."""
    from ..widgets import DeploymentView

    return session.only(DeploymentView(Deployed(session.client(), info)), info.name)


def _only_name(magic: str, line: str) -> str | None:
    """The one word of a line; None when it asks for help."""
    parser = parser_for(magic)
    parser.add_argument("name", metavar="NAME", help="of the deployment")
    if asks_help(parser, words := split(line)):
        return None
    return str(parser.read(words).name)
