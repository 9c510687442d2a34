"""Nodes and pods cut down to what says where there is room: `node_row` and `pod_row`.

A watch keeps these instead of the whole objects, so that five thousand pods take little memory.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Literal, TypedDict, cast

from ..specs import Holder
from ..specs.capacity import NOBODY
from .demand import amounts, demand
from .served import ID_LABEL as DEPLOYMENT_LABEL
from .served import object_name
from .training import ID_LABEL, OWNER_ANNOTATION

__all__ = ("NodeRow", "PodRow", "as_node", "as_pod", "holder", "node_row", "pod_row")

_USERNAME, _SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"
#: Pods of Zero to JupyterHub that keep room warm; they leave as soon as anything else comes.
_PLACEHOLDER = "user-placeholder"
_OVER = {"Succeeded", "Failed"}
#: Who owns the pods that stay on a machine as long as it is there.
_STAYING = {"DaemonSet", "Node"}
#: Characters of a job's id after its name.
_UNIQUE = 8


class NodeRow(TypedDict):
    """A machine.

    Attributes:
        open: Whether it is ready and takes new pods.
        total: What pods may have of it, in the units of `amounts`.
        taints: Key, value and effect of those that keep pods away.
    """

    name: str
    open: bool
    total: dict[str, int]
    labels: dict[str, str]
    taints: list[tuple[str, str, str]]


class PodRow(TypedDict):
    """A pod.

    Attributes:
        node: Name of its machine; empty while it has none.
        holds: Whether it keeps what it asks for: it has a machine, or waits for one.
        stays: Whether it ends only with its machine.
        demand: What it asks for, in the units of `amounts`.
        kind: ``lab``, ``job`` or ``deployment`` of ours, or empty.
        owner: The person; empty for what is none of ours.
        name: Of the lab, job or deployment.
        id: Of the job, or the name of the lab's pod, or of a deployment's objects.
    """

    node: str
    holds: bool
    stays: bool
    demand: dict[str, int]
    kind: Literal["", "lab", "job", "deployment"]
    owner: str
    name: str
    id: str


def node_row(node: Mapping[str, Any]) -> NodeRow:
    """What counts of a node, as the API server has it."""
    meta, spec, status = (node.get(part) or {} for part in ("metadata", "spec", "status"))
    ready = any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )
    labels = meta.get("labels") or {}
    return {
        "name": sys.intern(str(meta.get("name") or "")),
        "open": ready and not spec.get("unschedulable") and not meta.get("deletionTimestamp"),
        "total": amounts(status.get("allocatable")),
        "labels": {sys.intern(key): sys.intern(value) for key, value in labels.items()},
        "taints": [
            (taint.get("key") or "", taint.get("value") or "", taint.get("effect") or "")
            for taint in spec.get("taints") or ()
            if taint.get("effect") != "PreferNoSchedule"
        ],
    }


def pod_row(pod: Mapping[str, Any]) -> PodRow:
    """What counts of a pod, as the API server has it."""
    meta, spec, status = (pod.get(part) or {} for part in ("metadata", "spec", "status"))
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    kind: Literal["", "lab", "job", "deployment"] = ""
    owner, name, id = "", "", ""
    if ID_LABEL in labels and OWNER_ANNOTATION in notes:
        kind, owner, id = "job", notes[OWNER_ANNOTATION], labels[ID_LABEL]
        name = id[:-_UNIQUE]
    elif DEPLOYMENT_LABEL in labels and OWNER_ANNOTATION in notes:
        kind, owner, name = "deployment", notes[OWNER_ANNOTATION], labels[DEPLOYMENT_LABEL]
        id = object_name(owner, name)
    elif _USERNAME in notes:
        kind, owner, id = "lab", notes[_USERNAME], str(meta.get("name") or "")
        name = notes.get(_SERVER) or "default"
    leaves = status.get("phase") in _OVER or labels.get("component") == _PLACEHOLDER
    owners = meta.get("ownerReferences") or ()
    return {
        "node": sys.intern(str(spec.get("nodeName") or "")),
        "holds": not leaves,
        "stays": any(one.get("kind") in _STAYING for one in owners),
        "demand": demand(spec),
        "kind": kind,
        "owner": sys.intern(owner),
        "name": sys.intern(name),
        "id": sys.intern(id),
    }


def as_node(node: Mapping[str, Any] | NodeRow) -> NodeRow:
    """The row of a node, which may be one already."""
    return cast(NodeRow, node) if "total" in node else node_row(node)


def as_pod(pod: Mapping[str, Any] | PodRow) -> PodRow:
    """The row of a pod, which may be one already."""
    return cast(PodRow, pod) if "demand" in pod else pod_row(pod)


def holder(row: PodRow) -> Holder:
    """Who holds what this pod has; for what is none of ours, nobody by name."""
    if kind := row["kind"]:
        return Holder(kind=kind, owner=row["owner"], name=row["name"], id=row["id"])
    return Holder(kind="job", owner=NOBODY)
