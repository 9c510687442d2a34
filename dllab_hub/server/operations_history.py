"""What can be asked about what is kept and known of jobs."""

from __future__ import annotations

from http import HTTPStatus

from ..backends.insight import MAX_MATCHES
from .operation import (
    LOG,
    PIECE,
    TEXT,
    WHERE,
    Operation,
    array,
    object_of,
    page,
    query,
    ref,
    several,
    whole,
)

__all__ = ("HISTORY",)

_OFFSET = PIECE[0]

#: Path below the interface -> method -> operation.
HISTORY: dict[str, dict[str, Operation]] = {
    "jobs/compare": {
        "get": Operation(
            "Jobs beside each other; the first is what the others are compared with",
            "Comparison",
            query=(several("id", "Of a job; two or more.", TEXT),),
            errors=(HTTPStatus.NOT_FOUND,),
        )
    },
    "jobs/records": {
        "get": Operation(
            "Records of ended jobs, newest first: a page of an export",
            "RecordPage",
            query=(*page("records"), *WHERE),
        ),
        "post": Operation(
            "Keep records that were exported elsewhere",
            "Imported",
            body="RecordBatch",
            status=HTTPStatus.CREATED,
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE),
        ),
    },
    "jobs/quote": {
        "post": Operation(
            "What a wish would cost, and when it would start; nothing is started",
            "Quote",
            body="TrainingSpec",
            errors=(HTTPStatus.REQUEST_ENTITY_TOO_LARGE,),
        )
    },
    "jobs/{id}/record": {
        "get": Operation("All that is known of a job, also when its files are gone", "JobRecord")
    },
    "jobs/{id}/files": {
        "delete": Operation(
            "Remove the files of a job that has ended; its record stays",
            "TrainingJob",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
    "jobs/{id}/metrics": {
        "get": Operation(
            "What a job said and used over time",
            "Curves",
            query=(
                query(
                    "kind",
                    "`metrics`: what its code said; `usage`: CPU, memory and GPUs by replica.",
                    **TEXT,
                    enum=["all", "metrics", "usage"],
                    default="all",
                ),
            ),
        )
    },
    "jobs/{id}/stacks": {
        "get": Operation("Where each replica is just now", array("stacks", ref("Stack")))
    },
    "jobs/{id}/logs/search": {
        "get": Operation(
            "Lines of a log that hold a text, whatever their case",
            "LogMatches",
            query=(
                query("text", "1 to 200 characters.", **TEXT),
                *LOG,
                query("offset", "Where to start, in bytes.", **whole(0, 2**62, default=0)),
                query("limit", "Most matches.", **whole(1, MAX_MATCHES, default=100)),
            ),
        )
    },
    "jobs/{id}/logs/follow": {
        "get": Operation(
            "A `LogChunk` a line, as they come; an empty line every few seconds without news",
            ref("LogChunk"),
            query=(*LOG, _OFFSET),
            media="application/x-ndjson",
        )
    },
    "jobs/{id}/logs/download": {
        "get": Operation("All of a log, as a file", TEXT, query=LOG, media="text/plain")
    },
    "logs/stream": {
        "get": Operation(
            "A WebSocket of several logs. In: `{follow: KEY, job, replica, attempt, offset}` or "
            "`{unfollow: KEY}`. Out: `{key, chunk}`, and last `{key, end}` or `{key, error}`",
            object_of(key=TEXT, chunk=ref("LogChunk")),
            status=HTTPStatus.SWITCHING_PROTOCOLS,
        )
    },
    "notices": {
        "get": Operation("How you are told of your jobs, and what was sent", "NoticeSettings"),
        "put": Operation("Set how you are told", "NoticeSettings", body="NoticeWish"),
    },
    "notices/test": {
        "post": Operation(
            "Send a test now; its outcomes are the newest deliveries",
            "NoticeSettings",
            errors=(HTTPStatus.CONFLICT,),
        )
    },
}
