"""`Admission`: who may ask a deployment besides its owner. The part of `serving` that opens doors.

As there, the public verbs check the wish; the private verbs are the mechanism:

    _access  _open_to  _make_key  _revoke_key  _admit  _endpoint  _endpoints
"""

from __future__ import annotations

import re
from abc import ABC
from dataclasses import dataclass

from ..errors import AccessDenied, InvalidRequest, NotFound, Unavailable
from ..names import check_name
from ..specs import (
    Access,
    Callers,
    Deployment,
    Endpoint,
    EndpointPage,
    KeyWish,
    ModelVersion,
    NewKey,
)
from .base import MAX_PAGE
from .pieces import check_limit

__all__ = ("NO_KEY", "Admission", "Asker", "endpoint_of", "known_name")

#: What to do about a key that opens nothing.
NO_KEY = "The owner of the deployment can make another one."
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_WHERE = re.compile(r"[^/]{1,255}/[^/]{1,40}")


@dataclass(frozen=True)
class Asker:
    """Who asks a deployment, as the caller has found out.

    Attributes:
        person: Of the hub; empty where only a key came.
        groups: Of the hub, that the person is in.
        key: That came with the request, or None. Where one came it counts alone.
    """

    person: str = ""
    groups: frozenset[str] = frozenset()
    key: str | None = None


class Admission(ABC):  # noqa: B024 - what a backend cannot do here it says with Unavailable
    """Opens deployments to others. Whom one is not open to does not learn that it is there."""

    async def access(self, owner: str, name: str) -> Access:
        """Who may ask it, and its keys."""
        return await self._access(owner, known_name(name))

    async def open_to(self, owner: str, name: str, callers: Callers) -> Access:
        """Have these people of the hub be able to ask it, and no others; keys stay as they are."""
        return await self._open_to(owner, known_name(name), callers)

    async def make_key(self, owner: str, name: str, wish: KeyWish) -> NewKey:
        """A new key, which is known from this answer only.

        Raises:
            Conflict: it has as many as it may have.
        """
        return await self._make_key(owner, known_name(name), wish)

    async def revoke_key(self, owner: str, name: str, id: str) -> None:
        """Have a key open nothing any more, from the next request on; `NotFound`: there is none."""
        if not _KEY_ID.fullmatch(id):
            raise NotFound("there is no such key.")
        await self._revoke_key(owner, known_name(name), id)

    async def admit(self, owner: str, name: str, asker: Asker) -> None:
        """Nothing when this one may ask it.

        Raises:
            NotFound: there is none that this person may ask.
            AccessDenied: the key opens nothing there.
        """
        if asker.key is None and asker.person == owner:
            return
        try:
            await self._admit(owner, known_name(name), asker)
        except NotFound:
            if asker.key is None:
                raise
            # Who has no key to it does not learn whether it is there.
            raise AccessDenied("this key opens nothing here.", hint=NO_KEY) from None

    async def endpoints(
        self, asker: Asker, *, limit: int = 50, after: str | None = None
    ) -> EndpointPage:
        """What a person may ask, by owner and name.

        Args:
            asker: The person.
            limit: Most of them.
            after: ``next`` of the page before: ``owner/name``.
        """
        check_limit(limit, MAX_PAGE)
        if after is not None and not _WHERE.fullmatch(after):
            raise InvalidRequest("is not from a page before.", field="next")
        return await self._endpoints(asker, limit, after)

    async def endpoint(self, owner: str, name: str, asker: Asker) -> Endpoint:
        """One of them; `NotFound`: there is none that this person may ask."""
        await self.admit(owner, name, asker)
        return await self._endpoint(owner, known_name(name))

    async def _access(self, owner: str, name: str) -> Access:
        raise _only_owner()

    async def _open_to(self, owner: str, name: str, callers: Callers) -> Access:
        raise _only_owner()

    async def _make_key(self, owner: str, name: str, wish: KeyWish) -> NewKey:
        raise _only_owner()

    async def _revoke_key(self, owner: str, name: str, id: str) -> None:
        raise _only_owner()

    async def _admit(self, owner: str, name: str, asker: Asker) -> None:
        raise NotFound("there is no such deployment.")

    async def _endpoint(self, owner: str, name: str) -> Endpoint:
        raise _only_owner()

    async def _endpoints(self, asker: Asker, limit: int, after: str | None) -> EndpointPage:
        raise _only_owner()


def known_name(name: str, what: str = "deployment") -> str:
    """A name as it may stand in an address; what cannot be one is not there."""
    try:
        return check_name(name)
    except InvalidRequest:
        raise NotFound(f"there is no such {what}.") from None


def endpoint_of(seen: Deployment, model: ModelVersion | None) -> Endpoint:
    """A deployment as those see it who may ask it; what it takes is the model's to say."""
    return Endpoint(
        owner=seen.owner,
        name=seen.name,
        model=seen.spec.model,
        version=seen.version,
        state=seen.state,
        inputs=model.inputs if model else (),
        outputs=model.outputs if model else (),
        example=model.example if model else "",
    )


def _only_owner() -> Unavailable:
    return Unavailable("deployments are open to their owners only here.")
