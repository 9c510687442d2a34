"""The pending doctor: why a lab, a training job or a replica waits or has failed on one machine.

Pure functions from what was seen to a `Diagnosis`. A cluster's causes come from elsewhere and are
the same class, so that pages, notebooks and terminals show both alike.
"""

from .jobs import first_failed, of_job
from .stalls import COLLECTIVES, silence, stalled
from .starts import (
    building,
    crashed,
    disk_full,
    missing,
    no_free_gpu,
    of_error,
    of_replica,
    port_taken,
    to_error,
)

__all__ = (
    "COLLECTIVES",
    "building",
    "crashed",
    "disk_full",
    "first_failed",
    "missing",
    "no_free_gpu",
    "of_error",
    "of_job",
    "of_replica",
    "port_taken",
    "silence",
    "stalled",
    "to_error",
)
