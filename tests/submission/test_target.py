"""Where a job is to run, from the words of ``%%train`` and ``dllab submit``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Catalog, Code, Image, Target, TrainingSpec, Volume
from dllab_hub.submission import (
    Program,
    Words,
    add_options,
    fields_of,
    in_words,
    prepare,
    rerun_fields,
    typed_in,
)

CATALOG = Catalog(
    images=(Image(name="here", title="Here", framework="python", version="3"),),
    default_image="here",
    targets=(
        Target(name="machine", title="This machine", kind="machine"),
        Target(name="farm", title="GPU farm", kind="cluster"),
    ),
    volumes=(
        Volume(name="disk", title="Disk", path="/srv"),
        Volume(name="bucket", title="Bucket", url="s3://bucket"),
    ),
)
OLD = TrainingSpec(name="old", image="here", code=Code(source="print()"), target="farm")


def wish(here: Path, *words: str) -> TrainingSpec:
    parser = Words(prog="submit")
    add_options(parser)
    options: Namespace = parser.read(words)
    program = Program("script", "train", "print()", "train.py")
    made = prepare(options, program, name="train", here=here, catalog=lambda: CATALOG)
    return made.spec


@pytest.mark.parametrize(
    ("words", "target", "volumes", "lab"),
    [
        ((), None, ("disk", "bucket"), "lab-1"),
        (("--target", "machine"), "machine", ("disk", "bucket"), "lab-1"),
        (("--target", "farm"), "farm", ("bucket",), None),
        (("--target", "farm", "--volumes", "disk"), "farm", ("disk",), None),
        (("--target", "farm", "--lab", "lab-2"), "farm", ("bucket",), "lab-2"),
        (("--target", "mars"), "mars", ("disk", "bucket"), "lab-1"),
    ],
)
def test_what_goes_there(here, monkeypatch, words, target, volumes, lab):
    """What a lab has by itself goes to a cluster as far as it can; what is typed goes as it is."""
    monkeypatch.setenv("DLLAB_IMAGE", "here")
    monkeypatch.setenv("DLLAB_OVERLAY", "/overlay")
    monkeypatch.setenv("DLLAB_LAB_ID", "lab-1")
    monkeypatch.setenv("DLLAB_VOLUMES", '{"disk": {"path": "/srv"}, "bucket": {"url": "s3://b"}}')
    spec = wish(here, *words)

    assert (target, volumes, lab) == (spec.target, spec.volumes, spec.lab)


def test_a_job_runs_again_where_it_ran_or_elsewhere():
    """What is not typed stays; None is the usual place."""
    assert {} == fields_of(typed_in(Namespace(target=None)), OLD)
    assert {"target": "machine"} == fields_of(typed_in(Namespace(target="machine")), OLD)
    assert {"target": None} == rerun_fields(OLD, {"target": None})


def test_a_refusal_names_the_option():
    """People read the option and not the field."""
    error = InvalidRequest("there is no such place.", hint="Choose one of: farm.", field="target")

    assert "--target: there is no such place. Choose one of: farm." == in_words(error)
