"""`Machines`: live rows of a cluster's nodes and of the pods on them, for whoever asks for room."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from ...errors import Unavailable
from ...manifests.nodes import node_row, pod_row
from ...manifests.rows import PodRow
from .api import Api
from .kinds import NODES, PODS
from .mirror import Mirror

__all__ = ("Machines",)

_FORBIDDEN = (
    "what the cluster has free is not known: the lab may not list its nodes.",
    "The administrator can allow it: see config/kubernetes.",
)


class Machines:
    """Nodes and pods of all namespaces, cut down to what says where there is room.

    Args:
        api: Of the cluster.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._allowed = False
        self._nodes = Mirror(api, NODES, None, keep=lambda node: {**node_row(node)})
        self._pods = Mirror(
            api,
            PODS,
            None,
            fields="status.phase!=Succeeded,status.phase!=Failed",
            keep=lambda pod: {**pod_row(pod)},
        )

    async def start(self, seconds: float) -> None:
        """Find out whether they may be seen, begin to follow them, and wait so long at most.

        Raises:
            DLLabError: the cluster cannot be asked.
        """
        may = [await self._api.may("list", kind, None) for kind in (NODES, PODS)]
        self._allowed = all(may)
        if self._allowed:
            for mirror in (self._nodes, self._pods):
                mirror.start()
            await asyncio.gather(self._nodes.synced(seconds), self._pods.synced(seconds))

    async def close(self) -> None:
        """Follow nothing any more."""
        for mirror in (self._nodes, self._pods):
            await mirror.close()

    def rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Of the nodes, and of the pods.

        Raises:
            Unavailable: this process may not see them, or has not yet.
        """
        self._check()
        return list(self._nodes.objects.values()), list(self._pods.objects.values())

    def names(self) -> set[str]:
        """Of the nodes. From any thread.

        Raises:
            Unavailable: as of `rows`.
        """
        self._check()
        return {key.rpartition("/")[2] for key in list(self._nodes.objects)}

    def pod(self, namespace: str, name: str) -> PodRow | None:
        """A pod that has not ended, or None. From any thread.

        Raises:
            Unavailable: as of `rows`.
        """
        self._check()
        return cast(PodRow | None, self._pods.objects.get(f"{namespace}/{name}"))

    def _check(self) -> None:
        if not self._allowed:
            raise Unavailable(_FORBIDDEN[0], hint=_FORBIDDEN[1])
        for mirror in (self._nodes, self._pods):
            if not mirror.live:
                raise Unavailable(mirror.trouble or "the cluster is being looked at.")
