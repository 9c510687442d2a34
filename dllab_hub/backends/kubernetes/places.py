"""`cluster_line` and `more_clusters`: jobs on the cluster of a lab service, and on others."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from ...errors import Unavailable
from ...manifests.cluster import Cluster
from ...specs import Catalog
from ...state import StateDir
from ..local.account import Account
from ..local.prepare import Preparer
from ..local.store import Store
from ..local.workspaces import LocalWorkspaces
from .api import Api
from .line import ClusterLine
from .settings import Reach, clusters_of

__all__ = ("account_of_pods", "cluster_line", "more_clusters")

_LOG = logging.getLogger(__name__)
_DEFAULT = "~/.kube/config"


def cluster_line(
    state: StateDir,
    store: Store,
    workspaces: LocalWorkspaces,
    settings: Callable[[], Cluster],
    catalog: Callable[[], Catalog],
    connect: Callable[[], Awaitable[Api]],
    where: str = "cluster",
) -> ClusterLine:
    """Jobs on one cluster. It need not be there yet.

    Args:
        state: Where things lie; ``state.shared`` is on the claim that the cluster's pods mount.
        store: Index of all jobs.
        workspaces: Has the files that travel with jobs.
        settings: Of the cluster, as they are now. Blocks.
        catalog: As it is now. Blocks.
        connect: Opens the way to its API server.
        where: How the settings name it.

    Raises:
        Unavailable: this process can make no files that belong to the user of its jobs.
    """
    account = account_of_pods(settings().user, where)
    preparer = Preparer(state, workspaces)
    return ClusterLine(state, store, preparer, settings, catalog, connect, account)


def more_clusters(
    state: StateDir,
    store: Store,
    workspaces: LocalWorkspaces,
    catalog: Callable[[], Catalog],
    usual: Literal["machine", "cluster"],
) -> dict[str, ClusterLine]:
    """Jobs on each of the clusters that ``targets`` names, by its name.

    All of them mount, by a claim of their own, the one directory ``state.shared``. Arguments are
    those of `cluster_line`, and ``usual``: what labs run on.

    Raises:
        DLLabError: a setting is wrong; the message names it.
        Unavailable: as of `cluster_line`.
    """

    def made(name: str, reach: Reach) -> ClusterLine:
        def settings() -> Cluster:
            now = clusters_of(state, usual)
            # One that was taken out of the settings is what it was until the service starts anew.
            return now[name].cluster if name in now else reach.cluster

        where = f"targets.{name}"
        return cluster_line(
            state, store, workspaces, settings, catalog, lambda: _connected(name, reach), where
        )

    return {name: made(name, reach) for name, reach in clusters_of(state, usual).items()}


async def _connected(name: str, reach: Reach) -> Api:
    """The way to one of several clusters; how it is found there is told to the log only."""
    # Without a file a service in a pod would find its own cluster, whatever the context.
    kubeconfig = reach.kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT
    try:
        return await Api.connect(str(Path(kubeconfig).expanduser()), reach.context)
    except Unavailable as exc:
        _LOG.error("The settings of the place %s do not lead to a cluster: %s", name, exc)
        raise Unavailable(
            f"the lab does not know how to reach {name}.",
            hint="Ask the administrator: the log of the lab service says why.",
        ) from exc


def account_of_pods(uid: int, where: str) -> Account:
    """Whose files the pods of a cluster read and write.

    Args:
        uid: Id of the user that they run as.
        where: How the settings name what says so.

    Raises:
        Unavailable: this process can make no files that belong to it.
    """
    me = os.geteuid()
    if me not in (0, uid):
        raise Unavailable(
            f"the lab service runs as user {me}, and pods as {uid}: it cannot make files for them.",
            hint=f"Set {where}.user to {me}, or run the service as {uid}.",
        )
    return Account(None, uid, uid, "/")
