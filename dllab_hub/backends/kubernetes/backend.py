"""`KubernetesBackend`: jobs and models on clusters: a directory here for each, objects there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ...catalog import cluster_catalog, settings_of
from ...specs import USUAL, Catalog
from ...state import StateDir
from ..local.kept import KeptBackend
from ..local.store import Store
from ..local.workspaces import LocalWorkspaces
from ..serving import Serving
from .api import Api
from .places import account_of_pods, cluster_line, more_clusters
from .serving import ClusterServing, NoServing
from .serving.settings import serving_of
from .settings import cluster_of

__all__ = ("KubernetesBackend",)


class KubernetesBackend(KeptBackend):
    """Jobs on a cluster, and on those that the settings name beside it.

    It can be killed at any time: what runs goes on, and the next one takes it over.

    Args:
        state: Where everything lies; ``state.shared`` is on the claim that jobs mount, in every
            cluster.
        connect: Opens the way to the API server; by default as its pod or ``kubectl`` would.

    Raises:
        DLLabError: a setting is wrong; the message names it.
        Unavailable: this process can make no files that belong to the jobs' user.
    """

    def __init__(
        self, state: StateDir, *, connect: Callable[[], Awaitable[Api]] = Api.connect
    ) -> None:
        store = Store(state.root)
        workspaces = LocalWorkspaces(
            state, limit=lambda: cluster_catalog(state).max_workspace_mb << 20
        )
        catalog = partial(cluster_catalog, state)
        self.cluster = cluster_line(
            state, store, workspaces, partial(cluster_of, state), catalog, connect
        )
        lines = {USUAL["cluster"].name: self.cluster}
        lines |= more_clusters(state, store, workspaces, catalog, "cluster")
        serving = _serving(state, catalog, connect)
        super().__init__(state, store, workspaces, lines, serving)

    async def catalog(self) -> Catalog:
        return await asyncio.to_thread(cluster_catalog, self._state)


def _serving(
    state: StateDir, catalog: Callable[[], Catalog], connect: Callable[[], Awaitable[Api]]
) -> Serving:
    """Models, where the administrator has said that they are served."""
    cluster = serving_of(state)
    if cluster is None:
        return NoServing()
    account = account_of_pods(cluster.user, "serving.cluster")
    settings = partial(settings_of, state)
    return ClusterServing(state, cluster, catalog, settings, connect, account)
