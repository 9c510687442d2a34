"""What can be asked at each address: the table from which the description is made."""

from __future__ import annotations

from http import HTTPStatus

from ..specs import MAX_GPUS
from .operation import TEXT, Operation, array, object_of, query, ref, whole
from .operations_admission import ADMISSION
from .operations_history import HISTORY
from .operations_jobs import JOBS
from .operations_models import MODELS
from .operations_serving import SERVING

__all__ = ("OPERATIONS",)

#: Path below the interface -> method -> operation.
OPERATIONS: dict[str, dict[str, Operation]] = {
    "status": {"get": Operation("Who asks, and what answers", "Status")},
    "catalog": {"get": Operation("Images, volumes and limits", "Catalog")},
    "capacity": {
        "get": Operation(
            "GPUs free and held, and what a request for some would meet",
            "Capacity",
            query=(
                query("gpus", "How many are wished for.", **whole(0, MAX_GPUS)),
                query("target", "Name of the place; the usual one when left out.", **TEXT),
            ),
        )
    },
    "gpus": {"get": Operation("What every GPU does now", "GpuReport")},
    "host": {
        "get": Operation("CPU, memory and disks that the server which is asked has left", "Host")
    },
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
            {"oneOf": [ref("GpuHistory"), ref("GpuTick"), ref("AlertFrame")]},
            query=(
                query("interval", "Seconds between two reports; 1 if left out.", **whole(1, 60)),
            ),
            status=HTTPStatus.SWITCHING_PROTOCOLS,
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "alerts": {
        "get": Operation(
            "What is wrong with your GPUs, jobs and deployments, or was a moment ago; an "
            "administrator's are everybody's",
            "AlertList",
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "alerts/{id}/silence": {
        "put": Operation("Be told nothing of it for a while", "Alert", body="Silence"),
        "delete": Operation("Be told of it again", "Alert"),
    },
    **JOBS,
    **HISTORY,
    **MODELS,
    **SERVING,
    **ADMISSION,
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
