"""Jobs beside each other, as a person wants to read it."""

from __future__ import annotations

import time

import pytest

from dllab_hub.backends.comparing import compare
from dllab_hub.specs import (
    Cause,
    Code,
    Curve,
    Diagnosis,
    Environment,
    JobRecord,
    JobState,
    Progress,
    TrainingJob,
    WorkspaceFile,
)


@pytest.fixture
def make(make_spec):
    """Makes records of jobs with this source."""

    def make(source="print(1)", *, state=JobState.SUCCEEDED, job=None, record=None, **spec):
        code = spec.pop("code", None) or Code(source=source)
        wish = make_spec(**spec).model_copy(update={"code": code})
        made = TrainingJob(
            id=f"digits-{'bcdfghj'}",
            owner="ada",
            spec=wish,
            state=state,
            created=1.0,
            **(job or {}),
        )
        return JobRecord(job=made, **(record or {}))

    return make


def fields(comparison, part):
    return {d.field: d.values for d in comparison.differences if d.part == part}


def shown(diff):
    return [(line.kind, line.left, line.before, line.right, line.after) for line in diff.lines]


def test_the_same(make):
    """Two equal jobs have no difference."""
    found = compare([make(), make()])

    assert ((), ()) == (found.differences, found.code)


def test_arguments_by_name(make):
    """Arguments are compared by their names, wherever they stand and however they are written."""
    first = Code(source="x", args=("data", "--fast", "--lr", "0.1", "--momentum=-0.9", "-v"))
    other = Code(source="x", args=("data", "--fast", "--lr=0.2", "--momentum", "-0.9", "more"))

    assert {
        "code.args.--lr": ("0.1", "0.2"),
        "code.args.-v": ("yes", None),
        "code.args.1": (None, "more"),
    } == fields(compare([make(code=first), make(code=other)]), "spec")


def test_wish_environment_and_result(make):
    """What differs is named by its path; what only one has is None for the other."""
    first = make(
        tags=("a",),
        job={"tags": ("b", "a"), "progress": Progress(step=5, time=1.0, metrics={"loss": 0.25})},
        record={"environment": Environment(image="here", packages={"torch": "2.1", "x": "1"})},
    )
    other = make(
        replicas=2,
        state=JobState.FAILED,
        job={
            "reason": "worker-1 failed.",
            "diagnosis": Diagnosis(cause=Cause.SHAPE, message="no"),
        },
        record={
            "environment": Environment(
                image="here", packages={"torch": "2.1"}, overlay={"torch": "2.2"}
            )
        },
    )
    found = compare([first, other])

    assert {"roles.0.replicas": ("1", "2"), "tags": ("b, a", None)} == fields(found, "spec")
    assert {"packages.torch": ("2.1", "2.2"), "packages.x": ("1", None)} == fields(
        found, "environment"
    )
    assert {
        "state": ("SUCCEEDED", "FAILED"),
        "reason": (None, "worker-1 failed."),
        "cause": (None, "shape"),
        "step": ("5", None),
        "last loss": ("0.25", None),
    } == fields(found, "result")


def test_code_side_by_side(make):
    """Changed, added and removed lines stand beside each other with their numbers."""
    same = "".join(f"line {n}\n" for n in range(3, 30))
    old = "import os\nlr = 0.1\n" + same + "end\n"
    new = "import os\nlr = 0.2\n" + same + "end\nmore\n"
    (diff,) = compare([make(old), make(new)]).code
    rows = shown(diff)

    assert ("code", 0, False) == (diff.path, diff.more, diff.binary)
    assert ("same", 1, "import os", 1, "import os") == rows[0]
    assert ("changed", 2, "lr = 0.1", 2, "lr = 0.2") == rows[1]
    assert ("skipped", None, "22", None, "") == rows[5]
    assert ("added", None, "", 31, "more") == rows[-1]


def test_files_that_travelled(make):
    """Files of the workspace are compared line by line where their text is known."""

    def record(**files):
        listing = [WorkspaceFile(path=p, sha256=s * 64, size=1) for p, s in files.items()]
        return {"files": tuple(listing)}

    first = make(record=record(a="0", b="1", c="2", d="5"))
    other = make(record=record(a="0", b="3", c="4", e="6"))
    texts = {"1" * 64: "x\ny", "3" * 64: "x\nz", "5" * 64: "gone", "6" * 64: "new"}
    diffs = {diff.path: diff for diff in compare([first, other], texts).code}

    assert {"b", "c", "d", "e"} == set(diffs)
    assert ("changed", 2, "y", 2, "z") == shown(diffs["b"])[-1]
    assert diffs["c"].binary
    assert [("removed", 1, "gone", None, "")] == shown(diffs["d"])
    assert [("added", None, "", 1, "new")] == shown(diffs["e"])
    assert {} == fields(compare([first, other]), "spec")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["x"] * 5000, ["x"] * 4999 + ["y"]),
        (["x", "y"] * 2500, ["y", "x"] * 2500),
        (["a", "b", "c"] * 1666, ["c", "a", "d"] * 1666),
        ([str(n) for n in range(50_000)], [str(n) for n in range(50_000, 0, -1)]),
    ],
    ids=["one line", "two lines", "three lines", "all different"],
)
def test_files_that_are_hard_to_compare(make, old, new):
    """Files with the same line again and again are compared in seconds, and cut."""
    start = time.perf_counter()
    (diff,) = compare([make("\n".join(old)), make("\n".join(new))]).code

    assert time.perf_counter() - start < 10
    assert len(diff.lines) <= 2000
    assert len(diff.lines) + diff.more > 0


def test_only_metrics_are_overlaid(make):
    """The curves of a comparison are what the code said, not what it used."""
    curves = tuple(
        Curve(name=source, source=source, times=(1.0,), values=(2.0,))
        for source in ("report", "tensorboard", "usage", "gpu")
    )
    found = compare([make(record={"curves": curves}), make()])

    assert ["report", "tensorboard"] == [curve.name for curve in found.curves[0].curves]


def test_many_points(make):
    """Curves of many points are thinned evenly; the first and the last point stay."""
    times = tuple(float(n) for n in range(1000))
    curves = tuple(
        Curve(name=f"m{n}", source="report", steps=tuple(range(1000)), times=times, values=times)
        for n in range(100)
    )
    found = compare([make(record={"curves": curves}), make()])
    shown = found.curves[0].curves

    assert 100 == len(shown)
    assert {300} == {len(curve.times) for curve in shown}
    assert (0, 999) == (shown[0].steps[0], shown[0].steps[-1])
    assert 999.0 == shown[0].last


def test_a_cell_that_replaced_a_file(make):
    """Unsaved text that came before a file of the workspace is compared with that file."""
    listing = (WorkspaceFile(path="helper.py", sha256="1" * 64, size=1),)
    saved = make(record={"files": listing})
    unsaved = make(
        code=Code(source="print(1)", files={"helper.py": "x = 2"}), record={"files": listing}
    )
    (diff,) = compare([saved, unsaved], {"1" * 64: "x = 1"}).code

    assert [("changed", 1, "x = 1", 1, "x = 2")] == shown(diff)


def test_two_programs_that_have_nothing_in_common(make):
    """Of many large files that all differ as many lines are compared as somebody can look at."""
    texts: dict[str, str] = {}

    def program(side: str) -> JobRecord:
        files = []
        for n in range(200):
            sha = f"{side}{n:063x}"
            texts[sha] = "\n".join(f"{side}{n}-{i}" for i in range(1000))
            files.append(WorkspaceFile(path=f"{n}.py", sha256=sha, size=5000))
        return make(record={"files": tuple(files)})

    code = compare([program("a"), program("b")], texts).code

    assert 200 == len(code)
    assert 20_000 == sum(len(diff.lines) for diff in code)
    assert 200 * 1000 == sum(len(diff.lines) + diff.more for diff in code)


@pytest.mark.parametrize(("old", "new"), [("a\nb\n", "a\r\nb\r\n"), ("a", "a\n")])
def test_ends_of_lines(make, old, new):
    """Texts that differ in nothing but the ends of their lines do not look equal."""
    (code,) = compare([make(old), make(new)]).code

    assert {"changed", "added"} & {line.kind for line in code.lines}
