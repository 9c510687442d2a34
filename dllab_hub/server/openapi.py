"""The description of the interface: ``python -m dllab_hub.server.openapi`` writes it anew.

The file ``openapi.yaml`` beside this one is what is served and what people read; the schemas in it
come from the value classes themselves, and a test compares file, classes and routes.
"""

from __future__ import annotations

import asyncio
import re
import sys
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from ..backends.base import MAX_LOG_BYTES, MAX_PAGE
from ..specs import (
    MAX_GPUS,
    Capacity,
    Catalog,
    Checkpoint,
    Event,
    GpuReport,
    JobPage,
    LogChunk,
    TrainingJob,
    TrainingSpec,
)
from .handler import LabHandler, allowed

__all__ = ("FILE", "ROUTES", "document")

FILE = Path(__file__).with_name("openapi.yaml")


class Description(LabHandler):
    """``openapi.yaml``."""

    @allowed
    async def get(self) -> None:
        """The file."""
        self.query()
        text = await asyncio.to_thread(FILE.read_text, encoding="utf-8")
        self.finish(text, set_content_type="application/yaml")


ROUTES = ((r"openapi\.yaml", Description),)


@dataclass(frozen=True)
class _Operation:
    """One verb at one address.

    Attributes:
        answer: Name of the schema, or the schema itself.
        query: Parameters.
        body: Name of the schema of the body, or an empty string.
        status: Of a good answer.
        errors: What else may be answered, besides what every address may.
    """

    summary: str
    answer: str | dict[str, Any]
    query: tuple[dict[str, Any], ...] = ()
    body: str = ""
    status: HTTPStatus = HTTPStatus.OK
    errors: tuple[HTTPStatus, ...] = ()
    media: str = "application/json"


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(low: int | None = None, high: int | None = None, **more: Any) -> dict[str, Any]:
    limits = {"minimum": low, "maximum": high}
    return {"type": "integer", **{k: v for k, v in limits.items() if v is not None}, **more}


def _list(key: str, item: dict[str, Any]) -> dict[str, Any]:
    items = {"type": "array", "items": item}
    return {"type": "object", "required": [key], "properties": {key: items}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT = {"type": "string"}
_OPERATIONS: dict[str, dict[str, _Operation]] = {
    "status": {"get": _Operation("Who asks, and what answers", "Status")},
    "catalog": {"get": _Operation("Images, volumes and limits", "Catalog")},
    "capacity": {
        "get": _Operation(
            "GPUs free and held, and what a request for some would meet",
            "Capacity",
            query=(_query("gpus", "How many are wished for.", **_whole(0, MAX_GPUS)),),
        )
    },
    "gpus": {"get": _Operation("What every GPU does now", "GpuReport")},
    "jobs": {
        "get": _Operation(
            "Your jobs, newest first",
            "JobPage",
            query=(
                _query("limit", "Most jobs in the answer.", **_whole(1, MAX_PAGE, default=50)),
                _query("next", "`next` of the page before.", **_TEXT),
                {
                    **_query("state", "Only these.", type="array", items=_ref("JobState")),
                    "explode": True,
                },
            ),
        ),
        "post": _Operation(
            "Submit a job",
            "TrainingJob",
            body="TrainingSpec",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "jobs/{id}": {"get": _Operation("One job", "TrainingJob")},
    "jobs/{id}/cancel": {
        "post": _Operation("End a job; one that has ended is answered as it is", "TrainingJob")
    },
    "jobs/{id}/events": {
        "get": _Operation("What happened, oldest first", _list("events", _ref("Event")))
    },
    "jobs/{id}/logs": {
        "get": _Operation(
            "A piece of what the job printed",
            "LogChunk",
            query=(
                _query("replica", "Such as `worker-0`; all, merged, without it.", **_TEXT),
                _query("attempt", "The newest without it.", **_whole(1)),
                _query(
                    "offset",
                    "Where to start; negative counts from the end.",
                    **_whole(-(2**62), 2**62, default=0),
                ),
                _query("limit", "Most bytes.", **_whole(1, MAX_LOG_BYTES, default=65536)),
            ),
        )
    },
    "jobs/{id}/checkpoints": {
        "get": _Operation(
            "Whole checkpoints, newest first", _list("checkpoints", _ref("Checkpoint"))
        )
    },
    "tensorboards": {
        "get": _Operation("TensorBoards of this host", _list("tensorboards", _ref("Board")))
    },
    "openapi.yaml": {"get": _Operation("This description", _TEXT, media="application/yaml")},
}


def document() -> dict[str, Any]:
    """The description in OpenAPI 3.1's terms."""
    schemas = (
        Capacity, Catalog, Checkpoint, Event, GpuReport, JobPage, LogChunk, TrainingJob,
        TrainingSpec,
    )  # fmt: skip
    _, made = models_json_schema(
        [(kind, "validation") for kind in schemas], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dllab-hub",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Training jobs and GPUs of a deep-learning lab. The same in a lab's "
            "Jupyter server and in the lab service of a hub. What belongs to another person is "
            "answered like what does not exist.",
        },
        "servers": [{"url": "."}],
        "security": [{"token": []}],
        "paths": {
            f"/{path}": {verb: _operation(path, verb, op) for verb, op in verbs.items()}
            for path, verbs in _OPERATIONS.items()
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`token T`: T is the Jupyter server's token, or a JupyterHub "
                    "token that may access the service.",
                }
            },
            "responses": {
                "Error": {
                    "description": "Why not",
                    "content": {"application/json": {"schema": _ref("Error")}},
                }
            },
            "schemas": dict(sorted({**_tidy(made["$defs"]), **_SMALL}.items())),
        },
    }


def _operation(path: str, verb: str, op: _Operation) -> dict[str, Any]:
    parameters = list(op.query)
    errors = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}
    if "{id}" in path:
        parameters.insert(0, {"name": "id", "in": "path", "required": True, "schema": _TEXT})
        errors.add(HTTPStatus.NOT_FOUND)
    answer = _ref(op.answer) if isinstance(op.answer, str) else op.answer
    made: dict[str, Any] = {
        "operationId": "_".join([verb, *re.findall(r"[a-z]+", path)]),
        "summary": op.summary,
    }
    if parameters:
        made["parameters"] = parameters
    if op.body:
        content = {"application/json": {"schema": _ref(op.body)}}
        made["requestBody"] = {"required": True, "content": content}
    made["responses"] = {
        str(op.status.value): {
            "description": op.status.phrase,
            "content": {op.media: {"schema": answer}},
        },
        **{
            str(status.value): {"$ref": "#/components/responses/Error"}
            for status in sorted({*errors, *op.errors})
        },
    }
    return made


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_SMALL: dict[str, Any] = {
    "Board": {
        **_object(name=_TEXT, url=_TEXT, logdir=_TEXT),
        "description": "A TensorBoard: where it is, and the directory that it shows.",
    },
    "Error": _object(
        error=_object(
            code={**_TEXT, "description": "Such as `not_found`."},
            message={**_TEXT, "description": "One sentence."},
            hint={**_TEXT, "description": "What to do; may be empty."},
            field={**_TEXT, "description": "Dotted path of the offending field; may be empty."},
            line={"type": ["integer", "null"], "description": "In the submitted source, from 1."},
        )
    ),
    "Status": _object(
        user=_TEXT,
        version={**_TEXT, "description": "Of dllab-hub."},
        backend={**_TEXT, "description": "`local` or `remote`."},
        mode={**_TEXT, "enum": ["single-user", "os-user"]},
    ),
}


def _tidy(schema: Any) -> Any:
    """Without titles, which repeat the names, and without the examples in Python."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "description" and isinstance(value, str):
            parts = value.split("\n\n")
            value = "\n\n".join(part for part in parts if not part.startswith(">>>"))
        # The keys of `properties` are names and may be anything.
        if key in ("properties", "$defs"):
            made[key] = {name: _tidy(inner) for name, inner in value.items()}
        else:
            made[key] = _tidy(value)
    return made


def main() -> None:
    """Write the file."""
    import yaml

    FILE.write_text(
        yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100),
        encoding="utf-8",
    )
    print(f"wrote {FILE}", file=sys.stderr)


if __name__ == "__main__":
    main()
