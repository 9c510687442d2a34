"""Who may ask a deployment: people of the hub, and programs with a key."""

from __future__ import annotations

from http import HTTPStatus

from ..backends.admission import Asker
from ..specs import Callers, KeyWish
from .handler import LabHandler, allowed

__all__ = ("ROUTES",)

_PAGE = 50


class Endpoints(LabHandler):
    """``endpoints``."""

    @allowed
    async def get(self) -> None:
        """A page of what the person may ask, their own and others', by owner and name."""
        query = self.query("limit", "next")
        limit = query.number("limit")
        page = await self.serving.endpoints(
            Asker(self.owner, self.groups),
            limit=_PAGE if limit is None else limit,
            after=query.text("next"),
        )
        found = tuple(self.lab.located(each) for each in page.endpoints)
        self.reply(page.model_copy(update={"endpoints": found}))


class OneEndpoint(LabHandler):
    """``endpoints/{owner}/{name}``."""

    @allowed
    async def get(self, owner: str, name: str) -> None:
        """What there is to ask."""
        self.query()
        asker = Asker(self.owner, self.groups)
        self.reply(self.lab.located(await self.serving.endpoint(owner, name, asker)))


class AccessOf(LabHandler):
    """``deployments/{name}/access``."""

    @allowed
    async def get(self, name: str) -> None:
        """Who may ask it, and the keys to it."""
        self.query()
        self.reply(await self.serving.access(self.owner, name))

    @allowed
    async def put(self, name: str) -> None:
        """Have these people be able to ask it, and no others."""
        self.query()
        callers = await self.read(Callers.from_wire)
        self.reply(await self.serving.open_to(self.owner, name, callers))


class Keys(LabHandler):
    """``deployments/{name}/keys``."""

    @allowed
    async def post(self, name: str) -> None:
        """A new key, which is told this once."""
        self.query()
        wish = await self.read(KeyWish.from_wire)
        made = await self.serving.make_key(self.owner, name, wish)
        self.reply(made, HTTPStatus.CREATED)


class OneKey(LabHandler):
    """``deployments/{name}/keys/{id}``."""

    @allowed
    async def delete(self, name: str, id: str) -> None:
        """Have it open nothing any more."""
        self.query()
        await self.serving.revoke_key(self.owner, name, id)
        self.reply({"revoked": id})


ROUTES = (
    ("endpoints", Endpoints),
    (r"endpoints/([^/]+)/([^/]+)", OneEndpoint),
    (r"deployments/([^/]+)/access", AccessOf),
    (r"deployments/([^/]+)/keys", Keys),
    (r"deployments/([^/]+)/keys/([^/]+)", OneKey),
)
