"""What can be asked at each address: the table from which the description is made."""

from __future__ import annotations

from http import HTTPStatus

from ..specs import MAX_GPUS, MAX_REPLICAS
from .operation import PIECE, TEXT, Operation, array, object_of, page, query, ref, whole
from .operations_history import HISTORY
from .operations_jobs import JOBS
from .upload import MAX_MODEL_BYTES

__all__ = ("OPERATIONS",)

#: Path below the interface -> method -> operation.
OPERATIONS: dict[str, dict[str, Operation]] = {
    "status": {"get": Operation("Who asks, and what answers", "Status")},
    "catalog": {"get": Operation("Images, volumes and limits", "Catalog")},
    "capacity": {
        "get": Operation(
            "GPUs free and held, and what a request for some would meet",
            "Capacity",
            query=(query("gpus", "How many are wished for.", **whole(0, MAX_GPUS)),),
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
    **JOBS,
    **HISTORY,
    "models": {
        "get": Operation(
            "Your models by name, each with its versions, newest first",
            "ModelPage",
            query=page("models"),
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
            query=(query("server", "JupyterHub's name of it; the first one without it.", **TEXT),),
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
