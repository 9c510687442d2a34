"""`Settler`: has the cluster have what is wanted of a deployment, and nothing else of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ....errors import DLLabError, InvalidRequest
from ....manifests.model_replica import name_of
from ....manifests.served import CANARY, object_name
from ....manifests.serving_cluster import ServingCluster
from ....specs import Catalog
from ..api import Api
from ..kinds import (
    AUTOSCALERS,
    BUDGETS,
    DEPLOYMENTS,
    INFERENCE_SERVICES,
    PODS,
    SERVICES,
    SERVING_RUNTIMES,
    Kind,
)
from ..trouble import Answered, Refused, Unreachable
from .desk import Desk
from .replicas import is_promoted

__all__ = ("Settler", "refused")

_LOG = logging.getLogger(__name__)
_KINDS: Mapping[str, Kind] = {
    "Deployment": DEPLOYMENTS,
    "Service": SERVICES,
    "PodDisruptionBudget": BUDGETS,
    "HorizontalPodAutoscaler": AUTOSCALERS,
    "InferenceService": INFERENCE_SERVICES,
    "ServingRuntime": SERVING_RUNTIMES,
}
#: What a person's deployment may have of its own; runtimes are everybody's.
#: By the Deployment it is known whether there is anything left: it goes last.
_OWN = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment")
#: Requests of all deployments that are under way at a time.
_AT_ONCE = 16
#: Seconds in which what was made comes back by the watch.
_KNOWN = 2.0


class Settler:
    """Used on one event loop; of one deployment once at a time.

    Args:
        api: Of the cluster.
        cluster: The administrator's settings.
        catalog: As it is now. Blocks.
    """

    def __init__(self, api: Api, cluster: ServingCluster, catalog: Callable[[], Catalog]) -> None:
        self._api, self._cluster, self._catalog = api, cluster, catalog
        self._few = asyncio.Semaphore(_AT_ONCE)
        #: Of each deployment, what it was given last, and what was removed for that.
        self._given: dict[str, str] = {}
        self._cleared: dict[str, str] = {}
        #: And of its Deployments, by name, which time their spec was changed then.
        self._made: dict[str, dict[str, int]] = {}
        self._at: dict[str, float] = {}
        #: Of these Deployments, those that the watch has told of.
        self._seen: dict[str, set[str]] = {}

    async def try_out(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        """Have the cluster look at objects, which are not made.

        Raises:
            Refused: it would not take one; the message says why.
            DLLabError: it cannot be asked.
        """
        for one in wanted:
            await self._apply(one, dry_run=True)

    async def settle(self, desk: Desk) -> bool:
        """Make the difference, as far as there is one. What fails is told in ``desk.trouble``.

        Returns:
            Whether it is to end, and the API server itself says that nothing of it is left.
        """
        ended = False
        try:
            async with self._few:
                if desk.wish.deleting:
                    ended = await self._end(desk)
                else:
                    await self._make(desk)
        except DLLabError as exc:
            if desk.trouble != exc.message:
                _LOG.warning("%s: the cluster did not do as it was told: %s", desk.folder.path, exc)
            said = exc.said if isinstance(exc, Refused) else ""
            desk.trouble = f"the cluster refuses it: {said}" if said else exc.message
            desk.refused = not isinstance(exc, Unreachable)
            desk.failures += 1
            desk.retry_after = (exc.retry_after or 0.0) if isinstance(exc, Answered) else 0.0
        else:
            desk.trouble, desk.refused = "", False
            desk.failures, desk.retry_after = 0, 0.0
        return ended

    def forget(self, desk: Desk) -> None:
        """It is no more."""
        for known in (self._given, self._cleared, self._made, self._at, self._seen):
            known.pop(desk.wish.id, None)

    async def _make(self, desk: Desk) -> None:
        wanted = await asyncio.to_thread(lambda: desk.wanted(self._catalog()))
        mark, id = json.dumps(wanted, sort_keys=True), desk.wish.id
        if self._given.get(id) != mark or self._is_other(desk, wanted):
            made = self._made.setdefault(id, {})
            # Until all of it is there, nothing is: a wish that is taken back halfway is undone.
            self._given.pop(id, None)
            self._cleared.pop(id, None)
            for one in wanted:
                if one["kind"] == "Deployment":
                    name = str(one["metadata"]["name"])
                    made.setdefault(name, 0)  # Also when the answer is lost.
                    made[name] = _generation(await self._apply(one))
                else:
                    await self._apply(one)
            self._given[id], self._at[id] = mark, time.monotonic()
        await self._hurry(desk)
        if self._cleared.get(id) != mark and await self._clear(desk, wanted):
            self._cleared[id] = mark

    def _is_other(self, desk: Desk, wanted: Sequence[Mapping[str, Any]]) -> bool:
        """Whether somebody has removed or changed what was there.

        What we say nothing of stays as they have it: asking for the same again is no change.
        """
        if not desk.there.live:
            return False
        id = desk.wish.id
        made, seen = self._made.get(id, {}), self._seen.setdefault(id, set())
        there = {one["metadata"]["name"]: _generation(one) for one in desk.there.deployments}
        names = {one["metadata"]["name"] for one in wanted if one["kind"] == "Deployment"}
        # What was made a moment ago may not have come back by the watch.
        late = time.monotonic() - self._at[id] >= _KNOWN
        gone = {name for name in names - there.keys() if name in seen or late}
        seen.update(there)
        seen.difference_update(gone)
        return bool(gone) or any(there[name] > made.get(name, 0) for name in names & there.keys())

    async def _hurry(self, desk: Desk) -> None:
        """Another pod takes the place of one that waits to be tried again."""
        hurried, desk.hurried = desk.hurried, set()
        for pod in desk.there.pods:
            if name_of(pod) in hurried:
                about = pod["metadata"]
                await self._api.delete(
                    PODS, self._cluster.namespace, about["name"], uid=about["uid"]
                )

    async def _clear(self, desk: Desk, wanted: Sequence[Mapping[str, Any]]) -> bool:
        """Remove what is not wanted; False: a canary that was promoted is needed for a while."""
        if self._cluster.kserve:
            return True  # It is one object, and KServe looks after what belongs to it.
        stable = object_name(desk.wish.owner, desk.wish.spec.name)
        have = {(one["kind"], one["metadata"]["name"]) for one in wanted}
        needed = desk.wish.canary is None and self._serves_on(desk)
        made = self._made.get(desk.wish.id, {})
        for name in (stable, f"{stable}-{CANARY}"):
            if name != stable and (needed or self._never_was(desk, name)):
                continue
            for kind in _OWN:
                if (kind, name) not in have:
                    await self._api.delete(_KINDS[kind], self._cluster.namespace, name)
            if ("Deployment", name) not in have:
                made.pop(name, None)
        return not needed

    def _never_was(self, desk: Desk, name: str) -> bool:
        """Whether there is no such Deployment, and nobody has just made one."""
        there = {one["metadata"]["name"] for one in desk.there.deployments}
        return desk.there.live and name not in {*there, *self._made.get(desk.wish.id, {})}

    def _serves_on(self, desk: Desk) -> bool:
        """Whether pods of a canary answer for the version that it was promoted to."""
        canary = [pod for pod in desk.there.pods if is_promoted(desk.wish, pod)]
        return bool(canary) and not desk.is_relieved

    async def _end(self, desk: Desk) -> bool:
        empty = desk.is_empty
        if self._given.get(desk.wish.id) == "" and not empty:
            return False
        name = object_name(desk.wish.owner, desk.wish.spec.name)
        several = [(kind, one) for one in (name, f"{name}-{CANARY}") for kind in _OWN]
        if self._cluster.kserve:
            several = [("InferenceService", name)]
        left = False
        for kind, one in several:
            # What is made just now is in no copy yet, so what none of them has is asked for too.
            left |= await self._api.delete(_KINDS[kind], self._cluster.namespace, one)
        self._given[desk.wish.id] = ""
        return empty and not left

    async def _apply(self, one: Mapping[str, Any], *, dry_run: bool = False) -> Mapping[str, Any]:
        kind = _KINDS[one["kind"]]
        name = one["metadata"]["name"]
        return await self._api.apply(
            kind, self._cluster.namespace, name, dict(one), dry_run=dry_run
        )


def _generation(made: Mapping[str, Any]) -> int:
    """Which time its spec was changed."""
    return int(made["metadata"].get("generation") or 0)


def refused(exc: Refused) -> InvalidRequest:
    """What the API server, or one of its rules, said about a deployment."""
    return InvalidRequest(
        f"the cluster refuses this deployment: {exc.said or exc.message}",
        hint="Change what it says, or show it to the administrator.",
    )
