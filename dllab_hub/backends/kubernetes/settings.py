"""What the administrator has said of clusters: `cluster_of` of the one that the lab service runs
on, and `clusters_of` of those where jobs may run besides::

    [[targets]]
    name = "farm"
    title = "GPU farm"
    kubeconfig = "/etc/dllab/farm.yaml"   # or context = "farm", of the default one
    namespace = "dllab-jobs"              # from here on the keys of the table "cluster"
    claim = "dllab-jobs"

A claim of each of them has to lead to the directory that ``DLLAB_SHARED`` names, on storage that
the lab service and all nodes mount.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ...catalog import settings_of
from ...errors import DLLabError, InvalidRequest
from ...manifests.cluster import Cluster
from ...settings import only, tables
from ...specs import targets_in
from ...state import StateDir

__all__ = ("Reach", "cluster_of", "clusters_of")

_OWN = {"name", "title", "kubeconfig", "context"}


@dataclass(frozen=True)
class Reach:
    """A cluster beside the usual place. It is the administrator's: nothing of it is for people.

    Attributes:
        kubeconfig: Path of a file; None for the default one.
        context: Of that file; None for its current one.
        cluster: Where the objects of jobs go there.
    """

    kubeconfig: str | None
    context: str | None
    cluster: Cluster


def cluster_of(state: StateDir) -> Cluster:
    """The table ``cluster`` of ``LabCatalog`` or ``catalog.toml``. Blocks.

    Raises:
        DLLabError: it is missing or wrong; the message names the key.
    """
    try:
        return _cluster(settings_of(state).get("cluster", {}), "cluster")
    except InvalidRequest as exc:
        raise _wrong(exc) from exc


def clusters_of(state: StateDir, usual: Literal["machine", "cluster"]) -> dict[str, Reach]:
    """The tables ``targets`` of ``LabCatalog`` or ``catalog.toml``, by name. Blocks.

    Args:
        state: Where ``catalog.toml`` lies.
        usual: What labs run on.

    Raises:
        DLLabError: one is wrong; the message names it and the key.
    """
    found = {}
    try:
        entries = settings_of(state).get("targets", [])
        tables(entries, "targets")
        for target, entry in zip(targets_in(entries, usual)[1:], entries, strict=True):
            where = f"targets.{target.name}"
            for key in ("kubeconfig", "context"):
                if not isinstance(entry.get(key, ""), str):
                    raise InvalidRequest("must be text.", field=f"{where}.{key}")
            kubeconfig, context = entry.get("kubeconfig") or None, entry.get("context") or None
            if kubeconfig is None and context is None:
                raise InvalidRequest("says it, or a context.", field=f"{where}.kubeconfig")
            found[target.name] = Reach(kubeconfig, context, _cluster(entry, where, _OWN))
    except InvalidRequest as exc:
        raise _wrong(exc) from exc
    return found


def _cluster(table: Mapping[str, Any], where: str, own: Collection[str] = ()) -> Cluster:
    only({*Cluster.model_fields, *own}, table, where)
    try:
        return Cluster.from_wire({key: table[key] for key in table if key not in own})
    except InvalidRequest as exc:
        raise InvalidRequest(exc.message, hint=exc.hint, field=f"{where}.{exc.field}") from exc


def _wrong(why: InvalidRequest) -> DLLabError:
    return DLLabError(
        f"the settings of the cluster (LabCatalog, catalog.toml) are wrong: {why}",
        hint="The administrator can fix it.",
    )
