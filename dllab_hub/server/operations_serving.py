"""What can be asked of deployments."""

from __future__ import annotations

from http import HTTPStatus

from ..specs import MAX_REPLICAS
from .operation import PIECE, TEXT, Operation, array, object_of, page, query, ref, whole

__all__ = ("SERVING",)

SERVING: dict[str, dict[str, Operation]] = {
    "deployments": {
        "get": Operation("Your deployments by name", "DeploymentPage", query=page("deployments")),
        "post": Operation(
            "Serve a model; under a name in use, replace what runs there",
            "Deployment",
            body="DeploymentSpec",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "deployments/{name}": {
        "get": Operation("One deployment", "Deployment"),
        "delete": Operation(
            "Serve it no more, once its last requests are answered; the model stays",
            object_of(deleted=TEXT),
        ),
    },
    "deployments/{name}/scale": {
        "post": Operation(
            "Have so many replicas",
            "Deployment",
            body={"application/json": object_of(replicas=whole(1, MAX_REPLICAS))},
        )
    },
    "deployments/{name}/canary": {
        "post": Operation(
            "Have another version answer a part of the requests; again with another part",
            "Deployment",
            body="Canary",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "deployments/{name}/promote": {
        "post": Operation(
            "Have the canary's version answer everything",
            "Deployment",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "deployments/{name}/rollback": {
        "post": Operation(
            "End the canary; without one, serve what was served before",
            "Deployment",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "deployments/{name}/logs": {
        "get": Operation(
            "A piece of what a replica printed",
            "LogChunk",
            query=(
                query(
                    "replica",
                    "Such as `replica-1`, or `balancer`; the newest replica without it.",
                    **TEXT,
                ),
                *PIECE,
            ),
        )
    },
    "deployments/{name}/events": {
        "get": Operation("What happened, oldest first", array("events", ref("Event")))
    },
    "deployments/{name}/predict": {
        "post": Operation(
            "Ask the model; its own answer, or its refusal as an error like all others",
            {"type": "object", "description": "As the protocol of the request says."},
            query=(
                query(
                    "version",
                    "Of those that serve; whichever gets the request without it.",
                    **whole(1),
                ),
                query("owner", "Whose deployment it is; your own without it.", **TEXT),
            ),
            body={
                "application/json": {
                    "type": "object",
                    "description": "A V1 request, `instances`, or a V2 request, `inputs`.",
                }
            },
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
        )
    },
}
