"""Frozen value classes: what is wished for, what there is, what happened. No behaviour."""

from .gpu import Capacity, Forecast, Gpu, GpuReport, GpuState, Holder, shortage
from .lab import MAX_GPUS, Catalog, Image, LabSpec, Volume
from .logs import JobPage, LogChunk
from .training import (
    MAX_CODE_BYTES,
    Checkpoint,
    Code,
    Event,
    JobState,
    Progress,
    ReplicaStatus,
    Role,
    TrainingJob,
    TrainingSpec,
)
from .wire import Value

__all__ = (
    "MAX_CODE_BYTES",
    "MAX_GPUS",
    "Capacity",
    "Catalog",
    "Checkpoint",
    "Code",
    "Event",
    "Forecast",
    "Gpu",
    "GpuReport",
    "GpuState",
    "Holder",
    "Image",
    "JobPage",
    "JobState",
    "LabSpec",
    "LogChunk",
    "Progress",
    "ReplicaStatus",
    "Role",
    "TrainingJob",
    "TrainingSpec",
    "Value",
    "Volume",
    "shortage",
)
