"""What can be asked at each address: the table from which the description is made."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..backends.base import MAX_LOG_BYTES, MAX_PAGE
from ..specs import MAX_GPUS, MAX_REPLICAS
from .upload import MAX_MODEL_BYTES

__all__ = ("OPERATIONS", "TEXT", "Operation", "array", "object_of", "ref")

TEXT: dict[str, Any] = {"type": "string"}


@dataclass(frozen=True)
class Operation:
    """One verb at one address.

    Attributes:
        answer: Name of the schema, or the schema itself.
        query: Parameters.
        body: Name of the schema of the body, or schemas by media type; empty for none.
        status: Of a good answer.
        errors: What else may be answered, besides what every address may.
    """

    summary: str
    answer: str | dict[str, Any]
    query: tuple[dict[str, Any], ...] = ()
    body: str | dict[str, dict[str, Any]] = ""
    status: HTTPStatus = HTTPStatus.OK
    errors: tuple[HTTPStatus, ...] = ()
    media: str = "application/json"


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(low: int | None = None, high: int | None = None, **more: Any) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {"type": "integer", **{k: v for k, v in limits.items() if v is not None}, **more}


def array(key: str, item: dict[str, Any]) -> dict[str, Any]:
    """An object with a list under ``key``."""
    return object_of(**{key: {"type": "array", "items": item}})


def object_of(**properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}


def ref(name: str) -> dict[str, Any]:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _page(what: str) -> tuple[dict[str, Any], ...]:
    return (
        _query("limit", f"Most {what} in the answer.", **_whole(1, MAX_PAGE, default=50)),
        _query("next", "`next` of the page before.", **TEXT),
    )


_PIECE = (
    _query(
        "offset",
        "Where to start; negative counts from the end.",
        **_whole(-(2**62), 2**62, default=0),
    ),
    _query("limit", "Most bytes.", **_whole(1, MAX_LOG_BYTES, default=65536)),
)
#: Path below the interface -> method -> operation.
OPERATIONS: dict[str, dict[str, Operation]] = {
    "status": {"get": Operation("Who asks, and what answers", "Status")},
    "catalog": {"get": Operation("Images, volumes and limits", "Catalog")},
    "capacity": {
        "get": Operation(
            "GPUs free and held, and what a request for some would meet",
            "Capacity",
            query=(_query("gpus", "How many are wished for.", **_whole(0, MAX_GPUS)),),
        )
    },
    "gpus": {"get": Operation("What every GPU does now", "GpuReport")},
    "gpus/lend": {
        "put": Operation(
            "Let your jobs use the GPUs of a lab of yours, or no longer",
            "Capacity",
            body="Lending",
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "gpus/stream": {
        "get": Operation(
            "A WebSocket: what the GPUs did and then, once a second, what they do",
            {"oneOf": [ref("GpuHistory"), ref("GpuTick")]},
            status=HTTPStatus.SWITCHING_PROTOCOLS,
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "jobs": {
        "get": Operation(
            "Your jobs, newest first",
            "JobPage",
            query=(
                *_page("jobs"),
                {
                    **_query("state", "Only these.", type="array", items=ref("JobState")),
                    "explode": True,
                },
            ),
        ),
        "post": Operation(
            "Submit a job",
            "TrainingJob",
            body="TrainingSpec",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "jobs/{id}": {"get": Operation("One job", "TrainingJob")},
    "jobs/{id}/cancel": {
        "post": Operation("End a job; one that has ended is answered as it is", "TrainingJob")
    },
    "jobs/{id}/events": {
        "get": Operation("What happened, oldest first", array("events", ref("Event")))
    },
    "jobs/{id}/logs": {
        "get": Operation(
            "A piece of what the job printed",
            "LogChunk",
            query=(
                _query("replica", "Such as `worker-0`; all, merged, without it.", **TEXT),
                _query("attempt", "The newest without it.", **_whole(1)),
                *_PIECE,
            ),
        )
    },
    "jobs/{id}/checkpoints": {
        "get": Operation("Whole checkpoints, newest first", array("checkpoints", ref("Checkpoint")))
    },
    "models": {
        "get": Operation(
            "Your models by name, each with its versions, newest first",
            "ModelPage",
            query=_page("models"),
        )
    },
    "models/{name}/versions": {
        "get": Operation("Versions, newest first", array("versions", ref("ModelVersion"))),
        "post": Operation(
            "Keep an ONNX file as the next version; a new name makes a new model",
            "ModelVersion",
            body={
                "application/octet-stream": {
                    **TEXT,
                    "format": "binary",
                    "description": f"The file; at most {MAX_MODEL_BYTES // 2**30} GiB.",
                },
                "application/json": object_of(
                    path={
                        **TEXT,
                        "description": "Of the file in the lab, below its root; for a lab's "
                        "Jupyter server only.",
                    }
                ),
            },
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "deployments": {
        "get": Operation("Your deployments by name", "DeploymentPage", query=_page("deployments")),
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
            body={"application/json": object_of(replicas=_whole(1, MAX_REPLICAS))},
        )
    },
    "deployments/{name}/logs": {
        "get": Operation(
            "A piece of what a replica printed",
            "LogChunk",
            query=(
                _query(
                    "replica",
                    "Such as `replica-1`, or `balancer`; the newest replica without it.",
                    **TEXT,
                ),
                *_PIECE,
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
            body={
                "application/json": {
                    "type": "object",
                    "description": "A V1 request, `instances`, or a V2 request, `inputs`.",
                }
            },
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
        )
    },
    "lab": {
        "get": Operation(
            "What this lab is made of; the lab service is none",
            "LabView",
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "tensorboards": {
        "get": Operation("TensorBoards of this host", array("tensorboards", ref("Board"))),
        "post": Operation(
            "Show one more directory; a lab only",
            "Board",
            body={
                "application/json": {
                    **object_of(
                        directory={
                            **TEXT,
                            "description": "As in the file browser; below the home or a volume.",
                        }
                    ),
                    "description": "With `name`, how its runs are called.",
                }
            },
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
        ),
    },
    "tensorboards/{name}": {
        "delete": Operation("Show a directory no more; its files stay", "Board")
    },
    "idle": {
        "get": Operation("Whether this lab is used, and when it is stopped otherwise", "Idle")
    },
    "idle/keep": {"post": Operation("Say that somebody is there", "Idle")},
    "idle/release-gpus": {
        "post": Operation(
            "Restart this lab on the CPU, with the same files",
            "Restart",
            status=HTTPStatus.ACCEPTED,
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "idle/restart": {
        "get": Operation("What became of the last restart of this lab", "Restart"),
        "post": Operation(
            "Restart this lab with so many GPUs; `server` is not read",
            "Restart",
            body="RestartWish",
            status=HTTPStatus.ACCEPTED,
            errors=(HTTPStatus.CONFLICT,),
        ),
    },
    "labs/restart": {
        "get": Operation(
            "What became of the last restart of a lab of yours; at the lab service",
            "Restart",
            query=(_query("server", "JupyterHub's name of it; the first one without it.", **TEXT),),
        ),
        "post": Operation(
            "Restart a lab of yours with so many GPUs; at the lab service",
            "Restart",
            body="RestartWish",
            status=HTTPStatus.ACCEPTED,
            errors=(HTTPStatus.CONFLICT,),
        ),
    },
    "openapi.yaml": {"get": Operation("This description", TEXT, media="application/yaml")},
}
