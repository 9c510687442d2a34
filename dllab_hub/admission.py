"""`AdmissionClient`: the part of `client.Client` that says who may ask one's deployments."""

from __future__ import annotations

from .specs import Access, Callers, Endpoint, EndpointPage, KeyWish, NewKey
from .transport import Transport, path

__all__ = ("AdmissionClient",)


class AdmissionClient:
    """One request for each method.

    ::

        client.open_to("digits", Callers(who="groups", groups=("vision",)))
        client.make_key("digits", "the web shop").key

    Args:
        transport: To the lab's interface.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def access(self, name: str) -> Access:
        """Who may ask a deployment of mine, and the keys to it."""
        return self._transport.ask("GET", path("deployments", name, "access"), Access.from_wire)

    def open_to(self, name: str, callers: Callers) -> Access:
        """Have these people of the hub be able to ask it, and no others; keys stay as they are."""
        return self._transport.ask(
            "PUT", path("deployments", name, "access"), Access.from_wire, body=callers.to_wire()
        )

    def make_key(self, name: str, title: str, lifetime: float | None = None) -> NewKey:
        """A key for a program outside the hub, which sends it as ``X-DLLab-Key``.

        Args:
            name: Of the deployment.
            title: What the key is for.
            lifetime: Seconds for which it is good; None: until it is revoked.

        Returns:
            The key itself is in this answer only.

        Raises:
            Conflict: it has as many keys as it may have.
        """
        wish = KeyWish(title=title, lifetime=lifetime)
        return self._transport.ask(
            "POST", path("deployments", name, "keys"), NewKey.from_wire, body=wish.to_wire()
        )

    def revoke_key(self, name: str, id: str) -> None:
        """Have a key open nothing any more, from the next request on."""
        self._transport.ask("DELETE", path("deployments", name, "keys", id), dict)

    def endpoints(self, *, limit: int = 50, after: str | None = None) -> EndpointPage:
        """What I may ask, my own and others', by owner and name.

        Args:
            limit: 1 to 500.
            after: ``next`` of the page before.
        """
        return self._transport.ask(
            "GET", "endpoints", EndpointPage.from_wire, limit=limit, next=after
        )

    def all_endpoints(self) -> tuple[Endpoint, ...]:
        """Everything that I may ask; a request for each 500 of them."""
        page = self.endpoints(limit=500)
        found = page.endpoints
        while page.next is not None:
            page = self.endpoints(limit=500, after=page.next)
            found += page.endpoints
        return found
