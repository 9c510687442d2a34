"""Jobs, deployments and GPUs as plain text, for terminals, ``nbconvert`` and screen readers."""

from __future__ import annotations

from .amounts import age, columns, cut, duration, size, speed
from .deployments import deployment_text, deployments_text, traffic
from .gpus import gpus_text, held_by
from .insight import comparison_text, curves_text, matches_text, notices_text, stacks_text
from .jobs import (
    attempt,
    cause,
    job_text,
    jobs_text,
    pace,
    place,
    preflight_text,
    progress,
    replica_facts,
    saved,
    time_left,
    why,
)
from .losing import loss

__all__ = (
    "age",
    "attempt",
    "cause",
    "columns",
    "comparison_text",
    "curves_text",
    "cut",
    "deployment_text",
    "deployments_text",
    "duration",
    "gpus_text",
    "held_by",
    "job_text",
    "jobs_text",
    "loss",
    "matches_text",
    "notices_text",
    "pace",
    "place",
    "preflight_text",
    "progress",
    "replica_facts",
    "saved",
    "size",
    "speed",
    "stacks_text",
    "time_left",
    "traffic",
    "why",
)
