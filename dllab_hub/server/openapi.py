"""The description of the interface: ``python -m dllab_hub.server.openapi`` writes it anew.

The file ``openapi.yaml`` beside this one is what is served and what people read; the schemas in it
come from the value classes themselves, and a test compares file, classes and routes.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from ..specs import (
    Access,
    Alert,
    AlertFrame,
    AlertList,
    Annotation,
    Callers,
    Capacity,
    Catalog,
    Checkpoint,
    Comparison,
    Curves,
    Deployment,
    DeploymentPage,
    DeploymentSpec,
    Endpoint,
    EndpointPage,
    Event,
    GpuHistory,
    GpuReport,
    GpuTick,
    Host,
    Idle,
    Imported,
    JobPage,
    JobRecord,
    KeyWish,
    LabView,
    Lending,
    LogChunk,
    LogMatches,
    ModelPage,
    ModelVersion,
    NewKey,
    NoticeSettings,
    NoticeWish,
    Preflight,
    Quote,
    RecordBatch,
    RecordPage,
    Restart,
    RestartWish,
    Silence,
    Stack,
    TrainingJob,
    TrainingSpec,
    Upload,
    Workspace,
)
from .handler import LabHandler, allowed
from .operation import TEXT, Operation, object_of, ref
from .operations import OPERATIONS
from .publication import Publication

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


def document() -> dict[str, Any]:
    """The description in OpenAPI 3.1's terms."""
    schemas = (
        Access, Alert, AlertFrame, AlertList, Annotation, Callers, Capacity, Catalog, Checkpoint,
        Comparison, Curves, Deployment, DeploymentPage, DeploymentSpec, Endpoint, EndpointPage,
        Event, GpuHistory, GpuReport, GpuTick, Host, Idle, Imported, JobPage, JobRecord, KeyWish,
        LabView, Lending, LogChunk, LogMatches, ModelPage, ModelVersion, NewKey, NoticeSettings,
        NoticeWish, Preflight, Publication, Quote, RecordBatch, RecordPage, Restart, RestartWish,
        Silence, Stack, TrainingJob, TrainingSpec, Upload, Workspace,
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
            "description": "Training jobs, models and GPUs of a deep-learning lab. The same in a "
            "lab's Jupyter server and in the lab service of a hub. What belongs to another person "
            "is answered like what does not exist. Below the `url` of a deployment, with the same "
            "token, the model itself answers in the V1 protocol (`v1/models/{name}:predict`) and "
            "in the Open Inference Protocol, V2 (`v2/models/{name}/infer`).",
        },
        "servers": [{"url": "."}],
        "security": [{"token": []}],
        "paths": {
            f"/{path}": {verb: _operation(path, verb, op) for verb, op in verbs.items()}
            for path, verbs in OPERATIONS.items()
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
                    "content": {"application/json": {"schema": ref("Error")}},
                }
            },
            "schemas": dict(sorted({**_tidy(made["$defs"]), **_SMALL}.items())),
        },
    }


def _operation(path: str, verb: str, op: Operation) -> dict[str, Any]:
    parameters = list(op.query)
    errors = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE}
    for name in re.findall(r"{([a-z]+)}", path):
        parameters.insert(0, {"name": name, "in": "path", "required": True, "schema": TEXT})
        errors.add(HTTPStatus.NOT_FOUND)
    answer = ref(op.answer) if isinstance(op.answer, str) else op.answer
    made: dict[str, Any] = {
        "operationId": "_".join([verb, *re.findall(r"[a-z]+", path)]),
        "summary": op.summary,
    }
    if parameters:
        made["parameters"] = parameters
    if op.body:
        kinds = {"application/json": ref(op.body)} if isinstance(op.body, str) else op.body
        content = {kind: {"schema": schema} for kind, schema in kinds.items()}
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


_SMALL: dict[str, Any] = {
    "Board": {
        **object_of(
            name=TEXT,
            url=TEXT,
            logdir=TEXT,
            directories={"type": "array", "items": object_of(name=TEXT, path=TEXT)},
        ),
        "description": "A TensorBoard: where it is, the directory that it shows, and those that "
        "were added to it, whose runs are called `name/...`.",
    },
    "Error": object_of(
        error=object_of(
            code={**TEXT, "description": "Such as `not_found`."},
            message={**TEXT, "description": "One sentence."},
            hint={**TEXT, "description": "What to do; may be empty."},
            field={**TEXT, "description": "Dotted path of the offending field; may be empty."},
            line={"type": ["integer", "null"], "description": "In the submitted source, from 1."},
        )
    ),
    "Status": object_of(
        user=TEXT,
        version={**TEXT, "description": "Of dllab-hub."},
        backend={**TEXT, "description": "`local` or `remote`."},
        mode={**TEXT, "enum": ["single-user", "os-user", "cluster"]},
        serves={"type": "boolean", "description": "Whether models are served here."},
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

    plain = json.loads(json.dumps(document()))  # What is there twice is written twice.
    FILE.write_text(
        yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100),
        encoding="utf-8",
    )
    print(f"wrote {FILE}", file=sys.stderr)


if __name__ == "__main__":
    main()
