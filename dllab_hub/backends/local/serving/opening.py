"""`Opening`: the part of `local.LocalServing` that lets others than the owner ask."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Concatenate, ParamSpec, TypeVar

from ....errors import InvalidRequest, NotFound
from ....specs import (
    Access,
    Callers,
    Endpoint,
    EndpointPage,
    KeyWish,
    ModelVersion,
    NewKey,
)
from ...admission import Asker, endpoint_of
from ...serving import Serving
from .access import AccessBook
from .live import Live
from .models import Models

__all__ = ("Opening",)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Opening(Serving):
    """Keeps an `AccessBook` with each deployment; see `Serving` for its verbs."""

    _published: Models

    @abstractmethod
    def _find(self, owner: str, name: str) -> Live: ...

    @abstractmethod
    def _all(self) -> Iterable[Live]: ...

    @abstractmethod
    def _thread(
        self, do: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> Awaitable[_T]: ...

    async def _access(self, owner: str, name: str) -> Access:
        return self._find(owner, name).controller.access.access

    async def _open_to(self, owner: str, name: str, callers: Callers) -> Access:
        return await self._write(owner, name, AccessBook.open_to, callers)

    async def _make_key(self, owner: str, name: str, wish: KeyWish) -> NewKey:
        return await self._write(owner, name, AccessBook.make_key, wish)

    async def _revoke_key(self, owner: str, name: str, id: str) -> None:
        await self._write(owner, name, AccessBook.revoke, id)

    async def _admit(self, owner: str, name: str, asker: Asker) -> None:
        admitted = self._find(owner, name).controller.access.admits(asker)
        if not admitted:
            raise NotFound("there is no such deployment.")

    async def _endpoints(self, asker: Asker, limit: int, after: str | None) -> EndpointPage:
        mine = {
            (live.controller.wish.owner, live.controller.wish.spec.name): live
            for live in self._all()
            if live.controller.wish.owner == asker.person or live.controller.access.admits(asker)
        }
        start = tuple(after.split("/")) if after else ("", "")
        keys = sorted(key for key in mine if key > start)
        found = [await self._seen_by_others(mine[key]) for key in keys[:limit]]
        following = "/".join(keys[limit - 1]) if len(keys) > limit else None
        return EndpointPage(endpoints=tuple(found), next=following)

    async def _endpoint(self, owner: str, name: str) -> Endpoint:
        return await self._seen_by_others(self._find(owner, name))

    async def _seen_by_others(self, live: Live) -> Endpoint:
        seen = live.controller.seen
        try:
            model: ModelVersion | None = await self._thread(
                self._published.find, seen.owner, seen.spec.model, seen.version
            )
        except InvalidRequest:  # Its record is damaged, as the log says; it serves all the same.
            model = None
        return endpoint_of(seen, model)

    async def _write(
        self,
        owner: str,
        name: str,
        do: Callable[Concatenate[AccessBook, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Change the book when nothing else is done with the deployment."""
        live = self._find(owner, name)
        async with live.lock:
            if live.controller.gone:
                raise NotFound("there is no such deployment.")
            return await self._thread(do, live.controller.access, *args, **kwargs)
