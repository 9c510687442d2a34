"""`RULES`: everything that people are told of by themselves, in one table.

Prometheus' file of rules (`rulefile`) and our own engine (`alerts`) are both made from it, so the
two never disagree. Names of series and their units are those of `samples`.

Where the thresholds come from: temperatures and their durations are those that SageMaker HyperPod
publishes for data-centre GPUs; what a GPU says of itself (its slowdown limit, thermal throttling,
uncorrected errors, failed remapping) is taken at its word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from ..specs import Severity
from .conditions import Both, Compared, Condition, Either, Joined, Merged, Ratio, Series
from .timely import Age, Growth, New

__all__ = ("CRITICAL_XIDS", "RULES", "Kind", "Rule", "Unit")

Kind = Literal["gpu", "job", "deployment", "service"]
Unit = Literal["", "celsius", "ratio", "seconds"]

#: "Xid" errors after which NVIDIA's catalogue says to reset the GPU, to restart the machine or to
#: ask the vendor. Left out are those of a program (13, 31, 43, 45, 68, 69, 109), those of a memory
#: row that was replaced (63) or of an error that was contained (94: `GPUEccUncorrected` tells of
#: it), and 154, which says only that the recovery has changed that a GPU asks for, also to none.
CRITICAL_XIDS: Mapping[int, str] = {
    48: "a memory error that could not be corrected",
    62: "its internal controller has halted",
    64: "a bad row of its memory could not be replaced",
    74: "an NVLink error",
    79: "it has fallen off the bus",
    95: "a memory error that was not contained: everything on it is affected",
    119: "its system processor (GSP) does not answer",
    120: "its system processor (GSP) has failed",
    140: "a memory error that was not recovered",
    143: "it could not be initialised",
}
#: Seconds for which something that has happened counts as news.
_NEWS = 300.0


@dataclass(frozen=True)
class Rule:
    """What is wrong, for how long it must be so, and what people are told.

    Attributes:
        name: As in Prometheus, in CamelCase.
        kind: What it is about.
        severity: ``critical``: something is lost or about to be; ``warning``: somebody should look;
            ``info``: good to know, shown and not sent.
        hold: Seconds for which it must be so without a break.
        above: The threshold, in the unit of the value; None: there is none to set.
        make: The condition with such a threshold; of a rule that has none the number is 0.
        unit: Of the value.
        summary: A few words without a subject or a value.
        message: A sentence with ``{subject}`` and ``{value}`` in it, or other words for labels.
        hint: What to do.
        off: Whether the administrator wants none of it.
    """

    name: str
    kind: Kind
    severity: Severity
    hold: float
    above: float | None
    make: Callable[[float], Condition]
    unit: Unit
    summary: str
    message: str
    hint: str
    off: bool = False

    @property
    def condition(self) -> Condition:
        """The condition with the threshold that is set."""
        return self.make(self.above or 0.0)


_UP, _LOST = Series("dllab_gpu_up"), Series("dllab_gpu_lost")
_TEMPERATURE = Series("dllab_gpu_temperature_celsius")
_SLOWDOWN = Series("dllab_gpu_temperature_limit_celsius", {"kind": "slowdown"})
_ECC = Series("dllab_gpu_ecc_errors_total", {"type": "uncorrected"})
_XIDS = Series("dllab_gpu_xid_errors_total", {"xid": "|".join(map(str, CRITICAL_XIDS))})
_REMAP = Series("dllab_gpu_row_remap_failure")
_THERMAL = Series("dllab_gpu_throttle", {"reason": "sw_thermal|hw_thermal"})
_LOAD = Series("dllab_gpu_utilization_ratio")
_ALLOCATED = Series("dllab_gpu_allocated")
_USED, _TOTAL = Series("dllab_gpu_memory_used_bytes"), Series("dllab_gpu_memory_total_bytes")
_LAST_STEP = Series("dllab_job_last_step_timestamp_seconds")
_STEP_LIMIT = Series("dllab_job_step_limit_seconds")
_REQUESTS = Series("dllab_endpoint_requests_total")
_FAILURES = Series("dllab_endpoint_failures_total")
_VERSION_REQUESTS = Series("dllab_endpoint_version_requests_total")
_VERSION_FAILURES = Series("dllab_endpoint_version_failures_total")
_PART = Series("dllab_endpoint_version_traffic_ratio")
_SAMPLER, _WATCH = (
    Series("dllab_sampler_age_seconds"),
    Series("dllab_watch_last_event_timestamp_seconds"),
)

RULES: tuple[Rule, ...] = (
    Rule(
        "GPULost",
        "gpu",
        "critical",
        0,
        None,
        lambda _: Compared(_LOST, "==", 1),
        "",
        "A GPU is lost, or has to be reset.",
        "{subject} is lost, or has to be reset.",
        "What used it has failed or will. Run nvidia-smi; a reset or a restart of the machine "
        "brings it back.",
    ),
    Rule(
        "GPUUnreadable",
        "gpu",
        "warning",
        60,
        None,
        lambda _: Both(Compared(_UP, "==", 0), Compared(_LOST, "==", 0)),
        "",
        "A GPU cannot be read.",
        "{subject} cannot be read.",
        "It may be about to be lost. Run nvidia-smi to see whether the driver answers there.",
    ),
    Rule(
        "GPUTemperatureHigh",
        "gpu",
        "warning",
        300,
        80,
        lambda limit: Compared(_TEMPERATURE, ">", limit),
        "celsius",
        "A GPU is hot.",
        "{subject} is at {value}.",
        "Look at the fans, the air flow and the power limit.",
    ),
    Rule(
        "GPUTemperatureCritical",
        "gpu",
        "critical",
        60,
        85,
        lambda limit: Either(
            Compared(_TEMPERATURE, ">", limit),
            Joined(_TEMPERATURE, ">=", _SLOWDOWN, ignoring=("kind",)),
        ),
        "celsius",
        "A GPU is about as hot as it may be.",
        "{subject} is at {value}: it slows down, or is about to.",
        "Stop what runs on it, and look at the cooling.",
    ),
    Rule(
        "GPUEccUncorrected",
        "gpu",
        "critical",
        0,
        None,
        lambda _: Compared(Growth(_ECC, _NEWS), ">", 0),
        "",
        "A GPU had memory errors that it could not correct.",
        "{subject} had {value} memory errors that it could not correct.",
        "Results may be wrong: go back to a checkpoint. The GPU needs a reset.",
    ),
    Rule(
        "GPUXidCritical",
        "gpu",
        "critical",
        0,
        None,
        lambda _: Either(Compared(Growth(_XIDS, _NEWS), ">", 0), New(_XIDS, _NEWS)),
        "",
        "The driver reported an error after which a GPU has to be reset or replaced.",
        "{subject} reported Xid {xid}{about}.",
        "What used it has failed or will. NVIDIA's catalogue of Xid errors says what to do.",
    ),
    Rule(
        "GPURowRemapFailure",
        "gpu",
        "critical",
        0,
        None,
        lambda _: Compared(_REMAP, "==", 1),
        "",
        "A GPU could not replace a bad row of its memory.",
        "{subject} could not replace a bad row of its memory.",
        "It has to be exchanged: take it out of use, and ask its vendor.",
    ),
    Rule(
        "GPUThermalThrottle",
        "gpu",
        "warning",
        300,
        None,
        lambda _: Compared(Merged("reason", _THERMAL), ">", 0),
        "",
        "A GPU runs slower because it is hot.",
        "{subject} runs slower than it could, because it is hot.",
        "Look at the fans, the air flow and the power limit.",
    ),
    Rule(
        "GPUIdleHeld",
        "gpu",
        "warning",
        1800,
        0.05,
        lambda limit: Both(Compared(_LOAD, "<", limit), Compared(_ALLOCATED, "==", 1)),
        "ratio",
        "A GPU is held and does nothing.",
        "{subject} is held and does nothing: {value} busy.",
        "Release it: others may be waiting.",
    ),
    Rule(
        "GPUMemoryNearFull",
        "gpu",
        "info",
        300,
        0.95,
        lambda limit: Compared(Ratio(_USED, _TOTAL), ">", limit),
        "ratio",
        "The memory of a GPU is nearly full.",
        "The memory of {subject} is {value} full.",
        "A larger batch would not fit. TensorFlow takes all of it by itself: that is no fault.",
    ),
    Rule(
        "TrainingStalled",
        "job",
        "warning",
        0,
        None,
        lambda _: Joined(Age(_LAST_STEP), ">", _STEP_LIMIT),
        "seconds",
        "A training makes no steps.",
        "{subject} has made no step for {value}.",
        "Look at its logs and stacks; a relaunch goes on from its last checkpoint.",
    ),
    Rule(
        "EndpointErrorRate",
        "deployment",
        "critical",
        300,
        0.05,
        lambda limit: Compared(
            Ratio(Growth(_FAILURES, _NEWS), Growth(_REQUESTS, _NEWS)), ">", limit
        ),
        "ratio",
        "A deployment fails too many requests.",
        "{subject} has failed {value} of the requests of the last 5 minutes.",
        "Its logs say why.",
    ),
    Rule(
        "VersionErrorRate",
        "deployment",
        "warning",
        300,
        0.05,
        lambda limit: Both(
            Compared(
                Ratio(Growth(_VERSION_FAILURES, _NEWS), Growth(_VERSION_REQUESTS, _NEWS)),
                ">",
                limit,
            ),
            Compared(_PART, "<", 1),  # Else it is the deployment that fails.
        ),
        "ratio",
        "One of the versions that share a deployment fails too many requests.",
        "{subject}: version {version} failed {value} of its requests of the last 5 minutes.",
        "The other version may do better: roll a canary back, or promote it.",
    ),
    Rule(
        "SamplerStale",
        "service",
        "critical",
        0,
        60,
        lambda limit: Compared(_SAMPLER, ">", limit),
        "seconds",
        "The GPUs cannot be read.",
        "The GPUs have not been read for {value}.",
        "Run nvidia-smi; if it does not answer either, restart the machine.",
    ),
    Rule(
        "WatchStale",
        "service",
        "critical",
        0,
        60,
        lambda limit: Compared(Age(_WATCH), ">", limit),
        "seconds",
        "Nothing has been heard of the cluster.",
        "Nothing has been heard of the cluster for {value}.",
        "Look whether its API server answers the lab service.",
    ),
)
