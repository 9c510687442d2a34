"""What can be asked about jobs and about the files that travel with them."""

from __future__ import annotations

from http import HTTPStatus

from .operation import PIECE, TEXT, WHERE, Operation, array, page, query, ref, whole

__all__ = ("JOBS",)

#: Path below the interface -> method -> operation.
JOBS: dict[str, dict[str, Operation]] = {
    "jobs": {
        "get": Operation(
            "Your jobs, newest first",
            "JobPage",
            query=(*page("jobs"), *WHERE),
        ),
        "post": Operation(
            "Submit a job",
            "TrainingJob",
            body="TrainingSpec",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "jobs/preflight": {
        "post": Operation(
            "Look for what would make a job fail at once; nothing is started",
            "Preflight",
            query=(
                query(
                    "deep",
                    "1: import for real what the code imports; else it is only looked for.",
                    **whole(0, 1, default=0),
                ),
            ),
            body="TrainingSpec",
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
    "jobs/{id}": {
        "get": Operation("One job", "TrainingJob"),
        "patch": Operation(
            "Write down tags, notes, or that it is a favourite", "TrainingJob", body="Annotation"
        ),
        "delete": Operation(
            "Remove a job that has ended: its files and its record",
            {"type": "object"},
            errors=(HTTPStatus.CONFLICT,),
        ),
    },
    "jobs/{id}/cancel": {
        "post": Operation("End a job; one that has ended is answered as it is", "TrainingJob")
    },
    "jobs/{id}/pause": {
        "post": Operation(
            "Ask a job to save, and end it for now; what it did since its last checkpoint is lost "
            "unless its code saves on SIGTERM",
            "TrainingJob",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "jobs/{id}/resume": {
        "post": Operation(
            "Queue a job again that was paused, failed, was cancelled or lost: it goes on from its "
            "last checkpoint",
            "TrainingJob",
            errors=(HTTPStatus.CONFLICT, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
    "jobs/{id}/rerun": {
        "post": Operation(
            "Submit a job's wish again as a new job, with some of its fields changed",
            "TrainingJob",
            body={
                "application/json": {
                    "type": "object",
                    "description": "Fields of a `TrainingSpec`; those that are not here stay as "
                    "they were. A `code` is merged field by field.",
                }
            },
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
    "jobs/{id}/events": {
        "get": Operation("What happened, oldest first", array("events", ref("Event")))
    },
    "jobs/{id}/logs": {
        "get": Operation(
            "A piece of what the job printed",
            "LogChunk",
            query=(
                query("replica", "Such as `worker-0`; all, merged, without it.", **TEXT),
                query("attempt", "The newest without it.", **whole(1)),
                *PIECE,
            ),
        )
    },
    "jobs/{id}/checkpoints": {
        "get": Operation("Whole checkpoints, newest first", array("checkpoints", ref("Checkpoint")))
    },
    "workspaces": {
        "post": Operation(
            "Announce the files of a workspace, and hear which contents are missing",
            "Upload",
            body="Workspace",
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
    "workspaces/{id}/blobs": {
        "put": Operation(
            "Send contents that are missing, and hear which still are",
            "Upload",
            body={
                "application/x-tar": {
                    **TEXT,
                    "format": "binary",
                    "description": "An uncompressed tar file; each member is named by the SHA-256 "
                    "of its bytes.",
                }
            },
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        )
    },
}
