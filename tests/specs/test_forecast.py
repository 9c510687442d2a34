"""What the form says before anybody presses Start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import (
    FORECASTS,
    Catalog,
    GpuInfo,
    GpuType,
    Holder,
    Image,
    candidates,
    forecasts,
)

IMAGE = Image(name="all", title="All", framework="x", version="1")
GPUS = tuple(
    GpuInfo(uuid=f"GPU-{n}", name=f"NVIDIA {kind}") for n, kind in enumerate(["A100", "A100", "T4"])
)
TYPES = (
    GpuType(name="a100", title="A100", match="a100"),
    GpuType(name="t4", title="T4", match="T4"),
    GpuType(name="h100", title="H100", match="H100"),
)
LAB = Holder(kind="lab", owner="ada", name="first")
HERS = Holder(kind="job", owner="grace", name="secret")


def offer(**limits) -> Catalog:
    return Catalog(images=(IMAGE,), default_image="all", gpu_types=TYPES, **limits)


@pytest.mark.parametrize(
    ("limits", "held", "waiting", "kind", "gpus", "answer", "message", "smaller"),
    [
        ({}, (), 0, "", 0, "now", "Starts now, on the CPU.", None),
        ({}, (), 0, "", 3, "now", "Starts now: 3 of 3 free.", None),
        ({}, (HERS,), 0, "a100", 1, "now", "Starts now: 1 of 2 A100 free.", None),
        (
            *({}, (LAB, HERS), 0, "", 2, "wait"),
            "Has to wait: 1 of 3 is free; held by your lab 'first' and 1 other person.",
            1,
        ),
        (
            *({}, (HERS, HERS), 1, "a100", 1, "wait"),
            "Has to wait, A100: none of 2 is free; held by 1 other person. "
            "1 job waits for GPUs too.",
            0,
        ),
        ({}, (HERS,) * 3, 2, "", 1, "wait", "2 jobs wait for GPUs too.", 0),
        ({}, (), 0, "t4", 2, "never", "Can never start here: of T4 this machine has 1.", 1),
        ({}, (), 0, "h100", 1, "never", "Can never start here: this machine has no H100.", 0),
        ({"max_gpus": 2}, (), 0, "", 3, "never", "Can never start: one lab may hold 2 at most.", 2),
        ({"max_gpus": 0}, (), 0, "", 1, "never", "Can never start: your labs may hold no GPU.", 0),
        (
            *({"max_gpus_per_user": 2}, (HERS,), 0, "", 3, "never"),
            "Can never start: all your labs together may hold 2 at most.",
            2,
        ),
        (
            *({"max_gpus_per_user": 2}, (LAB,), 0, "t4", 1, "now"),
            "Starts now: 1 of 1 T4 free.",
            None,
        ),
        (
            *({"max_gpus_per_user": 2}, (LAB,), 0, "", 2, "wait"),
            "Has to wait: your other labs hold 1 of the 2 that you may have.",
            1,
        ),
    ],
)
def test_the_sentence(limits, held, waiting, kind, gpus, answer, message, smaller) -> None:
    """It says now, wait and for whom, or never and why, and what would start now instead."""
    by_uuid = {f"GPU-{n}": holder for n, holder in enumerate(held)}
    said = forecasts("ada", GPUS, by_uuid, waiting, offer(**limits))[kind][gpus]

    assert (answer, smaller) == (said.answer, said.smaller)
    assert said.message == message or (waiting == 2 and said.message.endswith(message))


def test_types_are_told_by_name() -> None:
    """A type's GPUs are those whose name has the words, in any case; no type is any GPU."""
    assert ("GPU-0", "GPU-1") == candidates(GPUS, offer(), "a100")
    assert ("GPU-0", "GPU-1", "GPU-2") == candidates(GPUS, offer(), "")
    with pytest.raises(InvalidRequest):
        candidates(GPUS, offer(), "nosuch")


def test_a_machine_without_gpus() -> None:
    """There is one choice then, for every type."""
    made = forecasts("ada", (), {}, 0, offer())

    assert {"": 1, "a100": 1, "t4": 1, "h100": 1} == {kind: len(row) for kind, row in made.items()}


_HOLDERS = st.builds(
    Holder,
    kind=st.sampled_from(["lab", "job"]),
    owner=st.sampled_from(["ada", "grace", "{braces}"]),
    name=st.sampled_from(["x", "{}", "{total}"]),
)


@given(
    held=st.dictionaries(st.sampled_from(["GPU-0", "GPU-1", "GPU-2"]), _HOLDERS),
    waiting=st.integers(0, 3),
    per_lab=st.integers(0, 4),
    per_person=st.integers(0, 4),
)
def test_it_keeps_its_word(held, waiting, per_lab, per_person) -> None:
    """What starts now fits in every way, the smaller choice starts now, and no name is told."""
    catalog = offer(max_gpus=per_lab, max_gpus_per_user=per_person)
    mine = sum(h.kind == "lab" and h.owner == "ada" for h in held.values())
    for kind, row in forecasts("ada", GPUS, held, waiting, catalog).items():
        assert len(row) == 4
        uuids = candidates(GPUS, catalog, kind)
        for number, said in enumerate(row):
            fits = number <= len(set(uuids) - set(held)) and number + mine <= per_person
            assert (said.answer == "now") == (number == 0 or (fits and number <= per_lab))
            if said.smaller is not None:
                assert said.smaller < number
                assert row[said.smaller].answer == "now"
            assert "grace" not in said.message
            assert "braces" not in said.message


def test_sentences_are_for_translators() -> None:
    """Each is a template of its own, without a sentence inside it."""
    assert len(set(FORECASTS)) == len(FORECASTS)
    assert all(text.endswith(".") for text in FORECASTS)
