"""`Wish`: what was wished for of a deployment, as it is kept, and what becomes of it."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from ....errors import Conflict, InvalidRequest
from ....specs import Canary, DeploymentSpec
from ..account import Account
from .haproxy import POOLS

__all__ = ("Wish",)


@dataclass(frozen=True)
class Wish:
    """``deployment.json``.

    Attributes:
        id: 16 characters that no other deployment has had.
        owner: Person.
        account: Unix name the units run as, or None for the service's own user.
        spec: What was wished for last.
        version: Of the model, that the wish came to.
        created: Seconds since the epoch.
        updated: Of the last wish.
        number: Of the newest replica.
        deleting: It is to end.
        scaled: How many replicas there are to be, where that follows the load.
        pool: Of the balancer's pools, the one of the replicas; that of a canary is the other one.
        canary: Another version that gets a part of the requests.
        previous: Version of the same model before this one, which a rollback brings back.
    """

    id: str
    owner: str
    account: str | None
    spec: DeploymentSpec
    version: int
    created: float
    updated: float
    number: int = 0
    deleting: bool = False
    scaled: int | None = None
    pool: str = POOLS[0]
    canary: Canary | None = None
    previous: int | None = None

    @classmethod
    def new(cls, owner: str, account: Account, spec: DeploymentSpec, version: int) -> Wish:
        """The first of a deployment."""
        now = time.time()
        made = cls(secrets.token_hex(8), owner, account.name, spec, version, now, now)
        return replace(made, scaled=_first(spec, spec.replicas))

    @classmethod
    def from_json(cls, text: bytes) -> Wish:
        """As `to_json` has written it.

        Raises:
            ValueError, KeyError, TypeError, RecursionError: it is damaged.
        """
        data = json.loads(text)
        canary = data.get("canary")
        values: dict[str, Any] = {
            "spec": DeploymentSpec.from_wire(data["spec"]),
            "canary": Canary.from_wire(canary) if canary else None,
        }
        return cls(**{**data, **values})

    def to_json(self) -> bytes:
        """All of it."""
        values = {"spec": self.spec.to_wire(), "canary": self.canary and self.canary.to_wire()}
        return json.dumps({**vars(self), **values}).encode()

    @property
    def replicas(self) -> int:
        """How many there are to be, beside those of a canary."""
        return self.spec.replicas if self.scaled is None else self.scaled

    @property
    def sleeps(self) -> bool:
        """Whether requests wait for a replica where there is none, not even a canary's."""
        auto = self.spec.autoscale
        return auto is not None and auto.min == 0 and self.canary is None

    @property
    def other_pool(self) -> str:
        """The pool of a canary."""
        return next(pool for pool in POOLS if pool != self.pool)

    @property
    def sentence(self) -> str:
        """What was wished for."""
        count = self.replicas
        replicas = "1 replica" if count == 1 else f"{count} replicas"
        return f"version {self.version} of {self.spec.model}, {replicas}."

    def check(self) -> None:
        """Raises `Conflict` when it is being deleted."""
        if self.deleting:
            raise Conflict("it is being deleted.", hint="Deploy it again.")

    def again(self, spec: DeploymentSpec, version: int) -> Wish:
        """Another one; a canary ends with it. What follows the load goes on from where it is."""
        previous = self.previous if version == self.version else self.version
        return replace(
            self,
            spec=spec,
            version=version,
            deleting=False,
            scaled=_first(spec, spec.replicas if self.scaled is None else self.scaled),
            canary=None,
            previous=previous if spec.model == self.spec.model else None,
            updated=time.time(),
        )

    def scaled_to(self, replicas: int, *, by_load: bool = False) -> Wish:
        """With so many replicas.

        Args:
            replicas: How many.
            by_load: Nobody has wished for it.

        Raises:
            InvalidRequest: they are fewer or more than there may be by themselves.
        """
        self.check()
        auto = self.spec.autoscale
        if auto is None:
            spec = self.spec.model_copy(update={"replicas": replicas})
            return replace(self, spec=spec, updated=time.time())
        if not auto.min <= replicas <= auto.max:
            raise InvalidRequest(
                f"must be from {auto.min} to {auto.max}, between which it follows the load.",
                hint="Deploy it again with other limits.",
                field="replicas",
            )
        return replace(self, scaled=replicas, updated=self.updated if by_load else time.time())

    def with_canary(self, canary: Canary) -> Wish:
        """With another version that gets a part of the requests.

        Raises:
            Conflict: it is the one that serves.
        """
        self.check()
        if canary.version == self.version:
            raise Conflict(f"version {canary.version} is the one that serves already.")
        scaled = 1 if self.scaled == 0 else self.scaled  # It must not be alone.
        return replace(self, canary=canary, scaled=scaled, updated=time.time())

    def promoted(self) -> Wish:
        """The canary's version is the one that is served.

        Raises:
            Conflict: there is no canary.
        """
        self.check()
        if self.canary is None:
            raise Conflict("there is no canary to promote.")
        version, pool = self.canary.version, self.other_pool
        spec = self.spec.model_copy(update={"version": version})
        return replace(self.again(spec, version), pool=pool)

    def rolled_back(self) -> Wish:
        """Without the canary; when there is none, what was served before is.

        Raises:
            Conflict: there is neither.
        """
        self.check()
        if self.canary is not None:
            return replace(self, canary=None, updated=time.time())
        if self.previous is None:
            raise Conflict("there is no canary, and nothing was served before this version.")
        spec = self.spec.model_copy(update={"version": self.previous})
        return self.again(spec, self.previous)


def _first(spec: DeploymentSpec, replicas: int) -> int | None:
    """How many there are at first where their number follows the load, else None."""
    auto = spec.autoscale
    return None if auto is None else min(max(replicas, auto.min, 1), auto.max)
