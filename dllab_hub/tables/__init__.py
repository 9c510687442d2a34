"""Jobs, deployments and GPUs as plain text, for terminals, ``nbconvert`` and screen readers."""

from __future__ import annotations

from .amounts import age, columns, duration, size
from .deployments import deployment_text, deployments_text, traffic
from .gpus import gpus_text, held_by
from .jobs import (
    attempt,
    job_text,
    jobs_text,
    loss,
    place,
    preflight_text,
    progress,
    saved,
    time_left,
)

__all__ = (
    "age",
    "attempt",
    "columns",
    "deployment_text",
    "deployments_text",
    "duration",
    "gpus_text",
    "held_by",
    "job_text",
    "jobs_text",
    "loss",
    "place",
    "preflight_text",
    "progress",
    "saved",
    "size",
    "time_left",
    "traffic",
)
