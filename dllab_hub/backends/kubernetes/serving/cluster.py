"""`ClusterServing`: models and deployments on a cluster."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from ....errors import DLLabError, NotFound, Unavailable
from ....manifests.deployed import deployed
from ....manifests.model_replica import container_of, is_over, name_of
from ....manifests.served import Served
from ....manifests.serving_cluster import ServingCluster
from ....manifests.serving_limits import check_canary, check_served
from ....names import slug
from ....specs import (
    Catalog,
    Deployment,
    DeploymentSpec,
    DeploymentState,
    LogChunk,
    ModelVersion,
)
from ....state import StateDir
from ...local.account import Account
from ...local.serving.deploymentdir import BALANCER, DeploymentDir, found
from ...local.serving.live import Live
from ...local.serving.models import Models
from ...local.serving.pickles import Pickles
from ...local.serving.publisher import Publisher
from ...local.serving.steering import Steering
from ...local.serving.tending import Tending
from ...local.serving.wish import Wish
from ..api import Api
from ..kinds import DEPLOYMENTS
from ..trouble import Refused
from .copies import Copies
from .desk import Desk
from .inspecting import Inspector
from .settling import Settler, refused

__all__ = ("ClusterServing",)

_LOG = logging.getLogger(__name__)
#: Seconds between two looks at a deployment of which nothing new is heard: while something has to
#: be done, while its replicas follow the load or a canary is watched, and else.
_QUICK, _WATCHED, _CALM = 1.0, 0.5, 5.0
#: Seconds between two tries at most, however often the cluster has not done as it was told.
_LONGEST_PAUSE = 30.0
#: Seconds until the cluster is looked for again, and for its first lists.
_AGAIN, _FIRST = 5.0, 10.0
#: Seconds that the cluster is given to say whether it would take a deployment.
_PATIENCE = 5.0
#: Models that are looked into at a time: each has a pod of its own.
_INSPECTED = 16
#: Bytes of a log that a node keeps before it begins another one, and some more.
_LONGEST = 16 << 20


class ClusterServing(Tending):
    """Models and deployments on a cluster; see the package. It need not be there yet.

    Args:
        state: Where everything lies; ``state.shared`` is on the storage that replicas mount.
        cluster: The administrator's settings; as long as this process is there they stay.
        catalog: As it is now. Blocks.
        settings: What ``catalog.toml`` and the hub's configuration say. Blocks.
        connect: Opens the way to the API server.
        account: Whose the files of models are.
    """

    def __init__(
        self,
        state: StateDir,
        cluster: ServingCluster,
        catalog: Callable[[], Catalog],
        settings: Callable[[], dict[str, Any]],
        connect: Callable[[], Awaitable[Api]],
        account: Account,
    ) -> None:
        self._state, self._cluster, self._catalog = state, cluster, catalog
        self._connect, self._account = connect, account
        self._inspector = Inspector(self._reach)
        models = Models(state.models, Pickles(state, lambda _: settings()))
        super().__init__(
            models, Publisher(models, self._inspector.look, lambda _: account, at_once=_INSPECTED)
        )
        self._api: Api | None = None
        self._copies: Copies | None = None
        self._settler: Settler | None = None
        self._trouble = "the cluster is being looked for."
        self._opening: asyncio.Task[None] | None = None
        self._opened = asyncio.Event()

    async def start(self) -> None:
        """Take over what there is, and begin to look for the cluster."""
        for desk in await self._thread(self._adopt):
            self._tend(desk)
        self._opening = asyncio.create_task(self._open(), name="dllab-serving-cluster")

    async def close(self) -> None:
        """Let go. Everything runs on."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait({self._opening})
        await super().close()
        if self._copies is not None:
            await self._copies.close()
        if self._api is not None:
            await self._api.close()

    async def found(self, seconds: float) -> bool:
        """Wait until the cluster has been found, so long at most."""
        try:
            await asyncio.wait_for(self._opened.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # What the cluster is.

    def _reach(self) -> tuple[Api, ServingCluster]:
        if self._api is None or self._copies is None:
            raise Unavailable(self._trouble, hint="Try again in a moment.")
        return self._api, self._cluster

    async def _open(self) -> None:
        while True:
            try:
                api = self._api or await self._connect()
                self._api = api
                if not await api.may("create", DEPLOYMENTS, self._cluster.namespace):
                    raise Unavailable(
                        f"the lab may make no deployments in {self._cluster.namespace}.",
                        hint="The administrator can allow it: see config/kubernetes.",
                    )
                copies = Copies(api, self._cluster.namespace, self._news)
                try:
                    await copies.start(_FIRST)
                    await self._inspector.clear(api, self._cluster)
                except BaseException:
                    await copies.close()
                    raise
                self._settler = Settler(api, self._cluster, self._catalog)
                self._copies = copies
                break
            except DLLabError as exc:
                if self._trouble != exc.message:
                    _LOG.error("Models cannot be served on the cluster: %s", exc)
                self._trouble = exc.message
            except Exception:
                _LOG.exception("Models cannot be served on the cluster.")
                self._trouble = "the cluster cannot be used; the lab service's log says why."
            await asyncio.sleep(_AGAIN)
        self._opened.set()
        for live in self._all():
            live.wake.set()

    def _news(self, owner: str, name: str) -> None:
        live = self._live.get((owner, name))
        if live is not None:
            live.wake.set()

    # One deployment.

    def _adopt(self) -> list[Desk]:
        self._published.open()
        taken = []
        for folder in found(self._state.deployments):
            try:
                taken.append(Desk(folder, self._published, self._cluster))
            except Exception:  # Whatever it is, the others must be looked after.
                _LOG.exception("The deployment in %s cannot be taken over.", folder.path)
        return taken

    async def _check_wish(self, owner: str, spec: DeploymentSpec, model: ModelVersion) -> None:
        served = Served(owner, spec, model)
        check_served(served, self._cluster)
        self._reach()
        settler = self._settler
        assert settler is not None
        needed = await asyncio.to_thread(lambda: deployed(served, self._catalog(), self._cluster))
        try:
            async with asyncio.timeout(_PATIENCE):
                await settler.try_out(needed)
        except Refused as exc:
            if exc.unwelcome:  # It is not about this deployment.
                raise
            raise refused(exc) from exc
        except (DLLabError, TimeoutError) as exc:
            _LOG.warning("%s is accepted though the cluster was not asked: %s", spec.name, exc)

    async def _check_version(self, model: ModelVersion) -> None:
        check_canary(self._cluster)
        self._cluster.image(model.format)

    async def _create(self, owner: str, spec: DeploymentSpec, version: int) -> Steering:
        return await self._thread(self._make, Wish.new(owner, self._account, spec, version))

    def _make(self, wish: Wish) -> Desk:
        folder = DeploymentDir(self._state.deployments / slug(wish.owner) / wish.spec.name)
        folder.create(wish)
        try:
            desk = Desk(folder, self._published, self._cluster)
        except BaseException:
            folder.remove()
            raise
        folder.say("Deployed", f"{wish.sentence} {desk.seen.warning}".rstrip())
        return desk

    def _meet(self, controller: Steering, turn: asyncio.Semaphore) -> Live:
        return Live(controller, turn, _desk(controller).caller)

    async def _look_at(self, live: Live) -> Deployment:
        desk = _desk(live.controller)
        self._show(desk)
        return await self._thread(desk.look)

    async def _pulse(self, live: Live) -> float:
        desk = _desk(live.controller)
        async with live.lock, live.turn:
            if desk.gone:
                return 0.0
            self._show(desk)
            await self._thread(desk.look)
            if (do := live.next()) is not None:
                await self._thread(do)
        if self._settler is None:
            return _CALM
        if await self._settler.settle(desk):
            async with live.lock:
                if not desk.wish.deleting:  # Deployed again meanwhile.
                    return 0.0
                self._settler.forget(desk)
                await self._thread(desk.folder.remove)
                desk.gone = True
            return 0.0
        return _pause(desk)

    def _show(self, desk: Desk) -> None:
        """What the cluster has of it by now. On the event loop."""
        if self._copies is not None:
            desk.there = self._copies.of(desk.wish.owner, desk.wish.spec.name)

    async def _logs(
        self, owner: str, name: str, replica: str | None, offset: int, limit: int
    ) -> LogChunk:
        desk = _desk(self._find(owner, name).controller)
        api, cluster = self._reach()
        self._show(desk)
        pod = desk.pod_of(replica)
        if pod is None:
            names = ", ".join(one.name for one in desk.seen.replicas) or "none now"
            said = f"the logs are those of the replicas there are: {names}."
            if replica == BALANCER:
                said = "the lab service itself asks the replicas: there is no balancer with a log."
            raise NotFound(said, hint="The log of a replica goes with it.", field="replica")
        limit = max(limit, 4)
        # One byte more than is shown: else the end of the piece would look like that of the log.
        most = min(offset + limit + 1, _LONGEST) if offset >= 0 else _LONGEST
        data = await _said(api, cluster.namespace, pod, most)
        # One that is shorter by now was begun anew, by a restart or because it was long.
        start = max(len(data) + offset, 0) if offset < 0 else offset if offset <= len(data) else 0
        piece, over = data[start : start + limit], is_over(pod)
        return LogChunk.cut(
            piece, replica=name_of(pod), attempt=1, offset=start, size=len(data),
            over=over, tail=offset < 0,
        )  # fmt: skip


async def _said(api: Api, namespace: str, pod: Mapping[str, Any], most: int) -> bytes:
    """The log of its container; nothing while that has not begun."""
    container = container_of(pod)
    try:
        return await api.log(namespace, pod["metadata"]["name"], container, most) or b""
    except Refused as exc:
        if exc.answered != HTTPStatus.BAD_REQUEST:  # "is waiting to start".
            raise
        return b""


def _pause(desk: Desk) -> float:
    if desk.failures:
        often = min(_QUICK * 2.0 ** min(desk.failures - 1, 5), _LONGEST_PAUSE)
        return max(often, min(desk.retry_after, _LONGEST_PAUSE)) * random.uniform(1.0, 1.2)  # noqa: S311
    if desk.seen.state in (DeploymentState.DELETING, DeploymentState.DEGRADED):
        return _QUICK
    if desk.wish.canary is not None or desk.wish.spec.autoscale is not None:
        return _WATCHED
    return _CALM


def _desk(controller: Steering) -> Desk:
    """What looks after it on a cluster: no other is made here."""
    assert isinstance(controller, Desk)
    return controller
