"""What all our pods on a cluster have in common: no account, no rights, no wait for a lost node."""

from __future__ import annotations

from typing import Any

__all__ = ("confined", "container_security", "lost_nodes")

#: Seconds that a pod stays on a node that says it is not well, and on one that says nothing any
#: more. Kubernetes waits some 50 s before it calls a node unreachable, and the rest of a gang does
#: nothing but wait for the pod that is lost.
_NOT_READY, _UNREACHABLE = 30, 5


def confined(user: int, grace: int) -> dict[str, Any]:
    """Settings of a pod that the Pod Security Standard "restricted" admits.

    Args:
        user: Id of the user, and of the group of files, that it runs as; never root.
        grace: Seconds from SIGTERM to SIGKILL.
    """
    return {
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security() -> dict[str, Any]:
    """The same of each of its containers."""
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def lost_nodes() -> list[dict[str, Any]]:
    """Tolerations; else Kubernetes leaves a pod on a node that is gone for five minutes."""
    return [
        {
            "key": f"node.kubernetes.io/{what}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": seconds,
        }
        for what, seconds in (("not-ready", _NOT_READY), ("unreachable", _UNREACHABLE))
    ]
