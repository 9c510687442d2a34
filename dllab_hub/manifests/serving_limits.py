"""What of a wish to serve a model a cluster cannot do, and what it does instead, in words."""

from __future__ import annotations

from ..errors import InvalidRequest
from .served import Served
from .serving_cluster import ServingCluster

__all__ = ("check_canary", "check_served", "how_it_scales", "undivided")


def check_served(served: Served, cluster: ServingCluster) -> None:
    """Refuse what cannot be had, before anything is made.

    Raises:
        InvalidRequest: naming the field and the fix.
        Unavailable: no image serves the format of a version.
    """
    auto = served.spec.autoscale
    sleeps = cluster.scaler == "lab" and not cluster.kserve
    if auto is not None and auto.min == 0 and not sleeps:
        raise InvalidRequest(
            "on this cluster one replica stays, whether somebody asks or not.",
            hint="Say 1 or more.",
            field="autoscale.min",
        )
    if auto is not None and auto.signal == "gpu":
        raise InvalidRequest(
            "on a cluster replicas do not follow how busy their GPUs are.",
            hint="Use inflight.",
            field="autoscale.signal",
        )
    if served.canary is not None:
        check_canary(cluster)
    for track in served.tracks:
        cluster.image(track.model.format)


def check_canary(cluster: ServingCluster) -> None:
    """Raises `InvalidRequest` where two versions of a deployment cannot run."""
    if cluster.kserve == "plain":
        raise InvalidRequest(
            "this cluster's KServe is too old to run two versions of a deployment.",
            hint="Deploy the other version under a name of its own, or ask the administrator.",
            field="canary",
        )


def how_it_scales(served: Served, cluster: ServingCluster) -> str:
    """What is to be known of how its replicas follow the load; empty where it is as wished for."""
    auto = cluster.autoscale(served.spec)
    if auto is None or (cluster.inflight and not cluster.kserve):
        return ""
    return (
        "This cluster does not measure how many requests are under way: "
        "the number of replicas follows how busy their CPUs are."
    )


def undivided(cluster: ServingCluster) -> str:
    """Why the cluster itself gives a canary no share of the requests; empty where it does.

    Both versions have a Service each: whoever relays requests can draw between these by lot.
    """
    if cluster.kserve == "canary" and cluster.gateway:
        return ""
    return (
        "Nothing in this cluster divides requests between two versions by share: "
        "that takes KServe with canaries, behind a gateway of the lab service."
    )
