"""`MemoryOpening`: the part of `MemoryServing` that lets others than the owner ask."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from ..backends.admission import Asker, endpoint_of
from ..errors import AccessDenied, Conflict, NotFound
from ..specs import (
    MAX_KEYS,
    Access,
    Callers,
    DeploymentKey,
    Endpoint,
    EndpointPage,
    KeyWish,
    NewKey,
    Tensor,
)
from .memory_deployment import DeploymentRecord
from .memory_models import MemoryModels

__all__ = ("MemoryOpening",)


class MemoryOpening(MemoryModels):
    """Keeps who may ask, and keys as they are. Arguments are those of `MemoryModels`."""

    def __init__(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        example: str,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(inputs, outputs, example, clock)
        self._records: dict[tuple[str, str], DeploymentRecord] = {}
        self._callers: dict[tuple[str, str], Callers] = {}
        self._keys: dict[tuple[str, str], dict[str, NewKey]] = {}

    async def _access(self, owner: str, name: str) -> Access:
        self._record(owner, name)
        callers = self._callers.get((owner, name), Callers())
        keys = self._keys.get((owner, name), {}).values()
        fields = set(DeploymentKey.model_fields)
        return Access(
            callers=callers,
            keys=tuple(DeploymentKey(**key.model_dump(include=fields)) for key in keys),
        )

    async def _open_to(self, owner: str, name: str, callers: Callers) -> Access:
        self._record(owner, name)
        self._callers[owner, name] = callers
        return await self._access(owner, name)

    async def _make_key(self, owner: str, name: str, wish: KeyWish) -> NewKey:
        self._record(owner, name)
        keys, now, id = (
            self._keys.setdefault((owner, name), {}),
            self._clock(),
            secrets.token_hex(4),
        )
        if len(keys) >= MAX_KEYS:
            raise Conflict(f"it has {MAX_KEYS} keys.", hint="Revoke one that is not used.")
        expires = None if wish.lifetime is None else now + wish.lifetime
        key = f"dlk_{id}_{secrets.token_urlsafe(32)}"
        keys[id] = NewKey(id=id, title=wish.title, created=now, expires=expires, key=key)
        return keys[id]

    async def _revoke_key(self, owner: str, name: str, id: str) -> None:
        self._record(owner, name)
        if self._keys.get((owner, name), {}).pop(id, None) is None:
            raise NotFound("there is no such key.")

    async def _admit(self, owner: str, name: str, asker: Asker) -> None:
        if asker.key is not None:
            self._admit_key(owner, name, asker.key)
        elif not self._is_open(owner, name, asker):
            raise NotFound("there is no such deployment.")

    async def _endpoint(self, owner: str, name: str) -> Endpoint:
        seen = self._record(owner, name).deployment
        models = self._published.get((owner, seen.spec.model), [])
        model = next((one for one in models if one.version == seen.version), None)
        return endpoint_of(seen, model)

    async def _endpoints(self, asker: Asker, limit: int, after: str | None) -> EndpointPage:
        names = sorted(
            f"{owner}/{name}"
            for owner, name in self._records
            if owner == asker.person or self._is_open(owner, name, asker)
        )
        left = [each for each in names if after is None or each > after]
        found = []
        for each in left[:limit]:
            owner, _, name = each.rpartition("/")
            found.append(await self._endpoint(owner, name))
        following = left[limit - 1] if len(left) > limit else None
        return EndpointPage(endpoints=tuple(found), next=following)

    def _is_open(self, owner: str, name: str, asker: Asker) -> bool:
        callers = self._callers.get((owner, name), Callers())
        if callers.who == "groups":
            return not asker.groups.isdisjoint(callers.groups)
        return callers.who == "everyone"

    def _admit_key(self, owner: str, name: str, key: str) -> None:
        keys = self._keys.get((owner, name), {})
        found = next((each for each in keys.values() if each.key == key), None)
        if found is None:
            raise AccessDenied("this key opens nothing here.")
        now = self._clock()
        if found.expires is not None and now >= found.expires:
            raise AccessDenied("this key has expired.")
        keys[found.id] = found.model_copy(update={"used": now})

    def _forget(self, owner: str, name: str) -> None:
        """Nobody may ask what is no more."""
        self._callers.pop((owner, name), None)
        self._keys.pop((owner, name), None)

    def _record(self, owner: str, name: str) -> DeploymentRecord:
        record = self._records.get((owner, name))
        if record is None:
            raise NotFound("there is no such deployment.")
        return record
