"""What dcgm-exporter has told a Prometheus, as it answers it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.metrics.dcgm import BadAnswer, Claim, parts_in, question
from dllab_hub.metrics.dcgm_gpus import Reading, reading
from dllab_hub.specs import Gpu, GpuCondition

NOW = 1_800_000_000.0
BLANK = "9223372036854775794"
NODES = {"n1", "n2"}
_RULES = Path(__file__).parents[2] / "config" / "prometheus" / "dcgm.yaml"


def series(name: str, value: object, ago: float = 0.0, **labels: str) -> dict[str, Any]:
    """One, as Prometheus answers it, with an older sample before the newest."""
    about = {"gpu": "0", "UUID": "GPU-a", "Hostname": "n1", "modelName": "NVIDIA H100", **labels}
    at = NOW - ago
    return {"metric": {"__name__": name, **about}, "values": [[at - 15, "1"], [at, str(value)]]}


def dev(name: str, value: object, ago: float = 0.0, **labels: str) -> dict[str, Any]:
    return series(f"DCGM_FI_DEV_{name}", value, ago, **labels)


def answer(*each: object) -> bytes:
    """The whole of it."""
    data = {"resultType": "matrix", "result": list(each)}
    return json.dumps({"status": "success", "data": data}).encode()


def read(*each: object, nodes: set[str] | None = NODES) -> Reading:
    return reading(parts_in(answer(*each), nodes), 60)


def only(*each: object) -> Gpu:
    (gpu,) = read(*each).gpus
    return gpu


def test_what_is_asked_is_what_the_rules_read() -> None:
    """Every series of DCGM that the recording rules read is asked for, and no other."""
    read_there = set(re.findall(r"DCGM_(?:FI|EXP)_\w+", _RULES.read_text()))
    asked = re.compile(question(120, {}).partition('"')[2].rpartition('"')[0])

    assert read_there - {"DCGM_FI_DRIVER_VERSION"} == {
        name for name in read_there if asked.fullmatch(name)
    }
    assert not asked.fullmatch("DCGM_FI_DEV_MEM_COPY_UTIL")
    assert not asked.fullmatch("dllab_gpu_up")


def test_labels_cannot_end_the_question() -> None:
    """Whatever is in a label of the settings stays within its quotes."""
    text = question(120, {"job": 'a"} or vector(1) # \\ é'})

    assert text.endswith(',job="a\\"} or vector(1) # \\\\ é"}[120s]')


@pytest.mark.parametrize(
    ("name", "value", "field", "known"),
    [
        ("GPU_UTIL", "100", "utilization", 1.0),
        ("GPU_UTIL", "101", "utilization", None),
        ("FB_USED", "1", "memory_used", 1 << 20),
        ("GPU_TEMP", "0", "temperature", 0),
        ("GPU_TEMP", "-1", "temperature", None),
        ("POWER_USAGE", "140737488355328", "power", None),
        ("POWER_USAGE", "70.25", "power", 70.25),
        ("SM_CLOCK", "1980", "clock", 1.98e9),
        ("ECC_DBE_VOL_TOTAL", "3", "ecc_uncorrected", 3),
        ("ROW_REMAP_FAILURE", "1", "remap_failed", True),
        ("ROW_REMAP_FAILURE", "0", "remap_failed", False),
        ("CLOCKS_EVENT_REASONS", "1", "throttle", ()),
        ("CLOCK_THROTTLE_REASONS", "8", "throttle", ("hw_slowdown",)),
        ("CLOCKS_EVENT_REASONS", "1000000", "throttle", None),
        ("XID_ERRORS", "79", "xids", {79: 1}),
        ("XID_ERRORS", "0", "xids", {}),
        *(
            (name, blank, field, {} if field == "xids" else None)
            for blank in (BLANK, "NaN", "+Inf", "no number")
            for name, field in (
                ("GPU_UTIL", "utilization"),
                ("FB_USED", "memory_used"),
                ("GPU_TEMP", "temperature"),
                ("SLOWDOWN_TEMP", "temperature_slowdown"),
                ("CLOCKS_EVENT_REASONS", "throttle"),
                ("XID_ERRORS", "xids"),
                ("ROW_REMAP_FAILURE", "remap_failed"),
            )
        ),
    ],
)
def test_one_value(name: str, value: str, field: str, known: object) -> None:
    """Each is in our units; what DCGM does not know is not there."""
    gpu = only(dev("MEM_CLOCK", 1), dev(name, value))

    assert known == getattr(gpu, field)


def test_memory_in_all() -> None:
    """It is what is used and free and, where that is told, what the driver keeps."""
    used, free, kept = dev("FB_USED", 10), dev("FB_FREE", 20), dev("FB_RESERVED", 3)

    assert [30 << 20, 33 << 20, None] == [
        only(*each).memory_total
        for each in ((used, free), (used, free, kept), (used, dev("FB_FREE", BLANK)))
    ]


def test_errors_that_are_counted() -> None:
    """Where the exporter counts, the last error says nothing more."""
    counted = series("DCGM_EXP_XID_ERRORS_COUNT", 3, xid="43")
    never = series("DCGM_EXP_XID_ERRORS_COUNT", 0, xid="48")

    assert {43: 3} == only(dev("XID_ERRORS", 79), counted, never).xids


def test_whose_word_a_pod_is() -> None:
    """Of both forms of the labels the exporter's own counts; the older samples' does not."""
    ours = {"exported_pod": "digits", "exported_namespace": "dllab-jobs"}
    exporter = {"pod": "dcgm-exporter-x", "namespace": "gpu-operator"}

    assert {Claim("n1", "dllab-jobs", "digits")} == read(
        dev("FB_USED", 1, **ours, **exporter)
    ).claims["GPU-a"]
    assert {Claim("n1", "gpu-operator", "dcgm-exporter-x")} == read(
        dev("FB_USED", 1, 0, **exporter), dev("FB_USED", 1, 15, **ours, **exporter)
    ).claims["GPU-a"]
    assert frozenset() == read(dev("FB_USED", 1)).claims["GPU-a"]


def test_a_divided_gpu() -> None:
    """It stands before its slices and has what holds for the whole; each slice has its own."""
    labels = {"GPU_I_PROFILE": "1g.10gb", "GPU_I_ID": "7"}
    other = {"GPU_I_PROFILE": "2g.20gb", "GPU_I_ID": "11", "pod": "digits", "namespace": "jobs"}
    gone = {"GPU_I_PROFILE": "7g.80gb", "GPU_I_ID": "0"}
    found = read(
        dev("FB_USED", 5, **other),
        series("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, **other),
        series("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 2, **labels),
        dev("GPU_TEMP", 50, **labels),
        dev("GPU_UTIL", 0, **labels),
        dev("FB_USED", 9, 30, **gone),
    )
    whole, first, second = found.gpus

    assert ["0", "0:7", "0:11"] == [gpu.label for gpu in found.gpus]
    assert ["GPU-a", "GPU-a/7", "GPU-a/11"] == [gpu.uuid for gpu in found.gpus]
    assert (True, 50, None) == (whole.divided, whole.temperature, whole.utilization)
    assert ("1g.10gb", None, None) == (first.mig, first.utilization, first.temperature)
    assert ("2g.20gb", 0.5, 5 << 20) == (second.mig, second.utilization, second.memory_used)
    assert {"GPU-a/7": 0, "GPU-a/11": 1} == {key: len(each) for key, each in found.claims.items()}


def test_a_machine_that_is_silent() -> None:
    """A GPU of which nothing is heard any more while others are has no values, and says so."""
    found = read(dev("GPU_TEMP", 40, 61), dev("GPU_TEMP", 50, 0, UUID="GPU-b", Hostname="n2"))
    silent, heard = found.gpus

    assert (GpuCondition.FAILED, None) == (silent.condition, silent.temperature)
    assert "Nothing has been heard of this GPU for 61 seconds." == silent.error
    assert (GpuCondition.OK, 50) == (heard.condition, heard.temperature)
    assert NOW == found.time


def test_machines_of_another_cluster() -> None:
    """Nothing is taken of machines that are not of this cluster, if these are known."""
    each = dev("FB_USED", 1), dev("FB_USED", 1, UUID="GPU-b", Hostname="elsewhere")

    assert ["n1"] == [gpu.node for gpu in read(*each).gpus]
    assert ["elsewhere", "n1"] == [gpu.node for gpu in read(*each, nodes=None).gpus]
    named = dev("FB_USED", 1, Hostname="dcgm-exporter-x", node="n2")
    assert "n2" == only(named).node


def test_a_gpu_that_two_machines_name() -> None:
    """It is where it was heard of last, and once only."""
    found = read(dev("GPU_TEMP", 1, 15), dev("GPU_TEMP", 2, Hostname="n2"))

    assert [("n2", 2)] == [(gpu.node, gpu.temperature) for gpu in found.gpus]


def test_order() -> None:
    """By machine and by number, not by how numbers are written."""
    each = [
        dev("FB_USED", 1, gpu=str(n), UUID=f"GPU-{node}{n}", Hostname=node)
        for node in ("n2", "n1")
        for n in (10, 2, 0)
    ]

    assert [f"{node} {n}" for node in ("n1", "n2") for n in (0, 2, 10)] == [
        f"{gpu.node} {gpu.label}" for gpu in read(*each).gpus
    ]


@pytest.mark.parametrize(
    "one",
    [
        None, 7, "text", [], {}, {"metric": 7}, {"metric": {}, "values": [[NOW, "1"]]},
        dev("FB_USED", 1, gpu="-1"), dev("FB_USED", 1, gpu="1e3"), dev("FB_USED", 1, gpu="0\n"),
        dev("FB_USED", 1, UUID=""), dev("FB_USED", 1, Hostname=""),
        dev("FB_USED", 1, GPU_I_ID="x"), dev("FB_USED", 1, pod="p" * 254),
        dev("FB_USED", 1, pod=7), {**dev("FB_USED", 1), "values": []},
        {**dev("FB_USED", 1), "values": [[NOW]]}, {**dev("FB_USED", 1), "values": [7]},
        {**dev("FB_USED", 1), "values": [["x", "1"]]}, {**dev("FB_USED", 1), "values": None},
        {**dev("FB_USED", 1), "values": [[None, None]]},
        {**dev("FB_USED", 1), "values": {"a": 1}},
    ],
)  # fmt: skip
def test_a_series_that_makes_no_sense(one: object) -> None:
    """It is as good as not there, and the others are."""
    assert ["GPU-b"] == [gpu.uuid for gpu in read(one, dev("FB_USED", 1, UUID="GPU-b")).gpus]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"\xff\xfe", b"null", b"[]", b"7", b"{}", b'{"status": "success"}',
        b'{"status": "success", "data": null}', b'{"status": "success", "data": []}',
        b'{"status": "success", "data": {"resultType": "vector", "result": []}}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": {}}}',
        b'{"status": "error", "errorType": "bad_data", "error": "parse error"}',
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_no_answer_of_a_prometheus(body: bytes) -> None:
    """Anything else is refused in words that repeat nothing of it."""
    with pytest.raises(BadAnswer, match=r"^(refuses the question|answers something)"):
        parts_in(body, None)


def test_nothing() -> None:
    """No series are no GPU."""
    assert Reading() == read()
