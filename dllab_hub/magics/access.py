"""Magics about who may ask a deployment: ``%access %keys %endpoints``."""

from __future__ import annotations

from ..submission import add_callers, add_key, callers_of, key_of
from ..tables import access_text, endpoints_text, new_key_text
from .session import Session, asks_help, parser_for, split

__all__ = ("AccessMagics",)


class AccessMagics:
    """Each prints text: nothing of it changes by itself.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("access", "keys", "endpoints")

    def __init__(self, session: Session) -> None:
        self._session = session

    def access(self, line: str) -> None:
        """Show or set who may ask a deployment of yours: ``%access NAME``.

        ::

            %access digits --group vision --group audio
            %access digits --everyone
            %access digits --owner
        """
        parser = parser_for("%access")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        add_callers(parser)
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        client, callers = self._session.client(), callers_of(options)
        name = options.name
        known = client.access(name) if callers is None else client.open_to(name, callers)
        print(access_text(name, known))

    def keys(self, line: str) -> None:
        """Keys to a deployment, for programs outside the hub: ``%keys NAME``.

        ::

            %keys digits --new "the web shop" --for 30d
            %keys digits --revoke 1f2e3d4c

        A new key is printed once. Clear the cell's output before you share the notebook.
        """
        parser = parser_for("%keys")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        add_key(parser)
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        client, name, wish = self._session.client(), options.name, key_of(options)
        if wish is not None:
            url = client.deployment(name).url  # Before: the key is told only once.
            print(new_key_text(name, client.make_key(name, wish.title, wish.lifetime), url))
            return
        if options.revoke is not None:
            client.revoke_key(name, options.revoke)
        print(access_text(name, client.access(name)))

    def endpoints(self, line: str) -> None:
        """List the deployments that you may ask, yours and others': ``%endpoints``."""
        parser = parser_for("%endpoints")
        if asks_help(parser, words := split(line)):
            return
        parser.read(words)
        print(endpoints_text(self._session.client().all_endpoints()))
