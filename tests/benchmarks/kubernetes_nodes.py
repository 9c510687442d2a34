"""Nodes without machines: `simulated`. What is bound to one is ready at once, and nothing runs.

The API server, its controllers and its scheduler are real; only the kubelets are not there. The
nodes have a taint, so that nothing else of the cluster comes to them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import NODES, PODS, Kind
from dllab_hub.backends.kubernetes.mirror import Mirror
from dllab_hub.backends.kubernetes.trouble import Absent, Answered

__all__ = ("GPU", "TAINT", "Admin", "running", "simulated")

_LOG = logging.getLogger(__name__)
_LEASES = Kind("coordination.k8s.io", "v1", "leases")
#: Pods tolerate it that may come to these nodes.
TAINT, GPU = "dllab-hub/simulated", "nvidia.com/gpu"
#: Seconds between two words of a node; after 40 without one it counts as lost.
_BEAT = 10.0
_MERGE = "application/merge-patch+json"


class Admin(Api):
    """Makes and changes what a lab service only reads."""

    async def create(self, kind: Kind, namespace: str | None, body: dict[str, Any]) -> Any:
        """Make an object; its answer."""
        about = f"create {kind.plural}"
        return await self._ask("POST", kind.path(namespace), about, None, body)

    async def merge(
        self, kind: Kind, namespace: str | None, name: str, body: dict[str, Any], part: str = ""
    ) -> None:
        """Change what is named of an object.

        Args:
            kind: Of object.
            namespace: Where.
            name: Of the object.
            body: JSON merge patch.
            part: Such as ``status``.
        """
        path = kind.path(namespace, name) + (f"/{part}" if part else "")
        await self._ask("PATCH", path, f"change {kind.plural}", None, body, _MERGE)

    async def kill(self, pod: Mapping[str, Any]) -> None:
        """As a kubelet says that all of a pod has ended."""
        about = pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": about["uid"]}}
        path = PODS.path(about["namespace"], about["name"])
        with suppress(Absent):
            await self._ask("DELETE", path, "end a pod", None, body)

    async def metrics(self) -> dict[str, float]:
        """What the API server says of itself, by name with labels."""
        text = (await self._bytes("GET", "/metrics", "read metrics")).decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}


def running(pod: Mapping[str, Any], ip: str) -> dict[str, Any]:
    """The status of a pod whose containers answer."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    alike = {"ready": True, "started": True, "restartCount": 0, "imageID": ""}
    return {
        "phase": "Running",
        "startTime": now,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds
        ],
        "containerStatuses": [
            {"name": one["name"], "image": one["image"], "state": {"running": {"startedAt": now}}}
            | alike
            for one in pod["spec"]["containers"]
        ],
    }


class _Kubelets:
    """Plays the kubelets of all nodes, for the pods of some namespaces."""

    def __init__(self, api: Admin, names: Sequence[str]) -> None:
        self._api, self._names = api, set(names)
        self._met: set[tuple[str, str]] = set()
        self._doing: set[asyncio.Task[None]] = set()
        self._few = asyncio.Semaphore(16)
        #: Of the range for documentation: nobody answers there.
        self._ips = (f"198.51.100.{n}" for n in itertools.cycle(range(1, 255)))

    def follow(self, namespace: str) -> Mirror:
        """Play for the pods there; nothing is kept but their names."""
        return Mirror(self._api, PODS, namespace, keep=self._meet)

    def _meet(self, pod: dict[str, Any]) -> dict[str, Any] | None:
        if pod["spec"].get("nodeName") not in self._names:
            return None
        about, going = pod["metadata"], bool(pod["metadata"].get("deletionTimestamp"))
        waits = pod["status"].get("phase") == "Pending"
        what = (about["uid"], "end" if going else "start")
        if (going or waits) and what not in self._met:
            self._met.add(what)
            task = asyncio.create_task(self._end(pod) if going else self._start(pod))
            self._doing.add(task)
            task.add_done_callback(self._doing.discard)
        return {}

    async def _start(self, pod: Mapping[str, Any]) -> None:
        about, status = pod["metadata"], running(pod, next(self._ips))
        async with self._few:
            with suppress(Absent):
                await self._api.merge(
                    PODS, about["namespace"], about["name"], {"status": status}, "status"
                )

    async def _end(self, pod: Mapping[str, Any]) -> None:
        async with self._few:
            await self._api.kill(pod)

    async def beat(self) -> None:
        """Say that the nodes are there, until it is cancelled."""
        for number in itertools.count():
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            try:
                for name in self._names:
                    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}
                    lease = {"metadata": {"name": name}, "spec": spec}
                    if number:
                        await self._api.merge(_LEASES, "kube-node-lease", name, lease)
                    else:
                        await self._api.create(_LEASES, "kube-node-lease", lease)
            except Answered as exc:
                _LOG.warning("A simulated node could not say that it is there: %s", exc)
            await asyncio.sleep(_BEAT)


@asynccontextmanager
async def simulated(
    api: Admin, prefix: str, count: int, namespaces: Sequence[str]
) -> AsyncIterator[list[str]]:
    """So many nodes that take any number of pods of these namespaces; their names.

    Args:
        api: Of the cluster.
        prefix: Of their names.
        count: How many.
        namespaces: Where pods are looked after; when the nodes are gone, the cluster removes them.
    """
    names = [f"{prefix}-{number}" for number in range(count)]
    kubelets = _Kubelets(api, names)
    async with AsyncExitStack() as stack:
        for name in names:
            await api.create(NODES, None, _node(name))
            stack.push_async_callback(api.delete, NODES, None, name)
            await api.merge(NODES, None, name, {"status": _status()}, "status")
        stack.callback(asyncio.create_task(kubelets.beat()).cancel)
        for mirror in map(kubelets.follow, namespaces):
            stack.push_async_callback(mirror.close)
            mirror.start()
            await mirror.synced(60)
        yield names


def _node(name: str) -> dict[str, Any]:
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", TAINT: "true"}
    taint = {"key": TAINT, "value": "true", "effect": "NoSchedule"}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": [taint]}}


def _status() -> dict[str, Any]:
    room = {"cpu": "512", "memory": "8Ti", "pods": "500", "ephemeral-storage": "8Ti", GPU: "128"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ready = {"type": "Ready", "status": "True", "reason": "Simulated", "lastTransitionTime": now}
    return {"capacity": room, "allocatable": room, "conditions": [ready]}
