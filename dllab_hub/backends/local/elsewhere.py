"""`elsewhere`: the clusters where jobs of this machine's labs may run too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec

from ...catalog import settings_of
from ...errors import Unavailable
from ...specs import Catalog
from ...state import StateDir
from .line import Line
from .store import Store
from .workspaces import LocalWorkspaces

__all__ = ("elsewhere",)


def elsewhere(
    state: StateDir,
    store: Store,
    workspaces: LocalWorkspaces,
    catalog: Callable[[], Catalog],
    *,
    os_users: bool,
) -> Mapping[str, Line]:
    """Jobs on each of the clusters that the settings name, by its name; none without any.

    Args:
        state: Where things lie; ``state.shared`` is on storage that all of the clusters mount.
        store: Index of all jobs.
        workspaces: Has the files that travel with jobs.
        catalog: As it is now. Blocks.
        os_users: Whether each person has an account of their own here.

    Raises:
        DLLabError: a setting is wrong; the message names it.
        Unavailable: what talks to clusters is not installed, or can make no files for their jobs;
            or people have accounts.
    """
    if not settings_of(state).get("targets"):
        return {}
    if os_users:
        # A pod mounts a directory of event files that its person could put a link in place of.
        raise Unavailable(
            "in OS-user mode jobs cannot run on clusters: their pods have one user for everybody.",
            hint="Take the targets out of the settings, or run the hub in single-user mode.",
        )
    if find_spec("kubernetes_asyncio") is None:
        raise Unavailable(
            "the settings name clusters (targets), and what talks to them is not installed.",
            hint="Run: pip install 'dllab-hub[kubernetes]'",
        )
    # Imported here: without clusters nothing of it need be installed.
    from ..kubernetes.places import more_clusters

    return more_clusters(state, store, workspaces, catalog, "machine")
