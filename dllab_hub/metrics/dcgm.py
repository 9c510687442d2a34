"""What dcgm-exporter has told a Prometheus: `question` to ask there, `parts_in` its answer.

One question brings all: the last samples of every series with the times at which they were taken,
so that what is old is seen to be. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ("BadAnswer", "Claim", "Part", "parts_in", "question")

#: Series that are read, without those that have a name of their own.
_FIELDS = (
    *("GPU_UTIL", "FB_USED", "FB_FREE", "FB_RESERVED", "GPU_TEMP", "SLOWDOWN_TEMP"),
    *("SHUTDOWN_TEMP", "POWER_USAGE", "POWER_MGMT_LIMIT", "SM_CLOCK", "MEM_CLOCK"),
    *("CLOCKS_EVENT_REASONS", "CLOCK_THROTTLE_REASONS", "ECC_SBE_VOL_TOTAL", "ECC_DBE_VOL_TOTAL"),
    *("ROW_REMAP_FAILURE", "XID_ERRORS"),
)
_DEVICE, _COUNTED = "DCGM_FI_DEV_", "DCGM_EXP_XID_ERRORS_COUNT"
_OTHERS = (_COUNTED, "DCGM_FI_PROF_GR_ENGINE_ACTIVE")
#: Labels that may have the name of the machine, the best first.
_NODES = ("Hostname", "node", "kubernetes_node")
#: With honorLabels the exporter's own labels keep their names; without, Prometheus renames them.
_PODS = (("exported_namespace", "exported_pod"), ("namespace", "pod"))
#: Characters of a label; a GPU of a machine, and an instance of a GPU.
_LONGEST, _NUMBER = 253, re.compile(r"[0-9]{1,3}")
#: Seconds that samples of one scrape may be apart.
_ONE_SCRAPE = 1.0


class BadAnswer(Exception):
    """What came is no answer of a Prometheus; the message is a part of a sentence."""


@dataclass(frozen=True)
class Claim:
    """That a pod has a GPU. It is what the exporter says, and nobody's word but its.

    Attributes:
        node: Machine of the GPU.
    """

    node: str
    namespace: str
    pod: str


@dataclass
class Part:
    """A GPU, or a MIG instance of one, as its newest samples have it.

    Attributes:
        node: Machine that has it.
        uuid: Of the GPU, also of an instance.
        index: Of the GPU.
        instance: Number of the instance; None for the GPU itself.
        profile: Of the instance, such as ``1g.10gb``.
        name: Of the model.
        driver: Its version, or an empty string.
        time: When it was sampled last, seconds since the epoch on Prometheus' clock.
        values: In DCGM's units, by the name of the series.
        xids: How often the exporter counted each error, where it counts.
        claims: Of the newest sample.
    """

    node: str
    uuid: str
    index: int
    instance: int | None
    profile: str = ""
    name: str = ""
    driver: str = ""
    time: float = 0.0
    values: dict[str, float] = field(default_factory=dict)
    xids: dict[int, int] = field(default_factory=dict)
    claims: set[Claim] = field(default_factory=set)

    def told(self, name: str, limit: float) -> float | None:
        """A device field below a limit that none can reach: DCGM tells what it does not know as a
        very large number.
        """
        value = self.values.get(_DEVICE + name)
        return value if value is not None and 0 <= value < limit else None


def question(seconds: int, labels: Mapping[str, str]) -> str:
    """The PromQL text of it.

    >>> question(120, {"job": "dcgm"}).rpartition("|")[2]
    'DCGM_FI_PROF_GR_ENGINE_ACTIVE",job="dcgm"}[120s]'

    Args:
        seconds: How far back.
        labels: That series must have, by name.
    """
    names = "|".join((f"{_DEVICE}({'|'.join(_FIELDS)})", *_OTHERS))
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in labels.items()}
    wanted = "".join(f",{name}={text}" for name, text in texts.items())
    return f'{{__name__=~"{names}"{wanted}}}[{seconds}s]'


def parts_in(answer: bytes, nodes: Collection[str] | None) -> list[Part]:
    """The GPUs that an answer of ``/api/v1/query`` to `question` tells of.

    Series that make no sense are as good as not there.

    Args:
        answer: JSON.
        nodes: Machines of the cluster: series of others are left out. None: it is not known.

    Raises:
        BadAnswer: it is something else.
    """
    series = list(_series(answer, nodes))
    found: dict[tuple[str, str, int | None], Part] = {}
    for part, *_ in series:
        known = found.setdefault((part.node, part.uuid, part.instance), part)
        if part.time > known.time:
            known.time, known.name, known.driver = part.time, part.name, part.driver
            known.profile, known.index = part.profile, part.index
    taken: dict[tuple[int, str], float] = {}
    for part, name, value, labels in series:
        whole = found[part.node, part.uuid, part.instance]
        if part.time < whole.time - _ONE_SCRAPE:
            continue  # The labels of a series have changed: a pod has gone, or the driver is new.
        whole.claims |= part.claims
        if name == _COUNTED:
            xid = labels.get("xid", "")
            if _NUMBER.fullmatch(xid) and 0 < value < 1e9:
                whole.xids[int(xid)] = int(value)
        elif part.time > taken.get((id(whole), name), -math.inf):
            taken[id(whole), name] = part.time
            whole.values[name] = value
    return list(found.values())


def _series(
    answer: bytes, nodes: Collection[str] | None
) -> Iterator[tuple[Part, str, float, Mapping[str, str]]]:
    """Each with its newest value: which part it is about, its name, that value and all labels."""
    for one in _result(answer):
        labels = one.get("metric") if isinstance(one, dict) else None
        if not isinstance(labels, dict) or (sample := _newest(one.get("values"))) is None:
            continue
        time, value = sample
        if (part := _part(labels, time, nodes)) is not None:
            yield part, labels.get("__name__", ""), value, labels


def _result(answer: bytes) -> list[Any]:
    try:
        said = json.loads(answer)
        if said["status"] != "success":
            raise BadAnswer("refuses the question")
        data = said["data"]
        result = data["result"] if data["resultType"] == "matrix" else None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadAnswer("answers something that is not understood") from None
    if not isinstance(result, list):
        raise BadAnswer("answers something that is not understood")
    return result


def _newest(values: Any) -> tuple[float, float] | None:
    """Time and value of the last sample."""
    try:
        time, value = values[-1]
        found = float(time), float(value)
    except (LookupError, TypeError, ValueError):
        return None
    return found if all(map(math.isfinite, found)) else None


def _part(labels: Mapping[str, Any], time: float, nodes: Collection[str] | None) -> Part | None:
    """What a series is about; None for what no exporter says, and for another cluster."""
    if any(not isinstance(value, str) or len(value) > _LONGEST for value in labels.values()):
        return None
    where = [labels[name] for name in _NODES if labels.get(name)]
    node = next((name for name in where if nodes is None or name in nodes), "")
    uuid, index, instance = (labels.get(key, "") for key in ("UUID", "gpu", "GPU_I_ID"))
    if not node or not uuid or not _NUMBER.fullmatch(index):
        return None
    if instance and not _NUMBER.fullmatch(instance):
        return None
    return Part(
        node=node,
        uuid=uuid,
        index=int(index),
        instance=int(instance) if instance else None,
        profile=labels.get("GPU_I_PROFILE", ""),
        name=labels.get("modelName", ""),
        driver=labels.get("DCGM_FI_DRIVER_VERSION", ""),
        time=time,
        claims=set(_claims(labels, node)),
    )


def _claims(labels: Mapping[str, str], node: str) -> Iterator[Claim]:
    """The pod that has it; of the two forms of the labels the first that is there."""
    for namespace, pod in _PODS:
        if labels.get(pod):
            yield Claim(node, labels.get(namespace, ""), labels[pod])
            return
