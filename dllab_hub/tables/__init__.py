"""Jobs, deployments and GPUs as plain text, for terminals, ``nbconvert`` and screen readers."""

from __future__ import annotations

from .access import access_text, callers_text, endpoints_text, new_key_text
from .alerts import alerts_text
from .amounts import age, columns, cut, duration, size, speed
from .deployments import (
    answers,
    deployment_reason,
    deployment_text,
    deployments_text,
    scaling,
    traffic,
    version_name,
    wanted,
)
from .gpus import (
    gpu_heat,
    gpu_holder,
    gpu_memory,
    gpu_power,
    gpu_wrong,
    gpus_text,
    held_by,
    host_text,
    process_text,
)
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
    where,
    why,
)
from .losing import loss
from .models import model_text, models_text

__all__ = (
    "access_text",
    "age",
    "alerts_text",
    "answers",
    "attempt",
    "callers_text",
    "cause",
    "columns",
    "comparison_text",
    "curves_text",
    "cut",
    "deployment_reason",
    "deployment_text",
    "deployments_text",
    "duration",
    "endpoints_text",
    "gpu_heat",
    "gpu_holder",
    "gpu_memory",
    "gpu_power",
    "gpu_wrong",
    "gpus_text",
    "held_by",
    "host_text",
    "job_text",
    "jobs_text",
    "loss",
    "matches_text",
    "model_text",
    "models_text",
    "new_key_text",
    "notices_text",
    "pace",
    "place",
    "preflight_text",
    "process_text",
    "progress",
    "replica_facts",
    "saved",
    "scaling",
    "size",
    "speed",
    "stacks_text",
    "time_left",
    "traffic",
    "version_name",
    "wanted",
    "where",
    "why",
)
