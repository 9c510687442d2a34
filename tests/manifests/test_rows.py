"""Whose a pod is, by what the cluster has noted of it."""

from __future__ import annotations

from typing import Any

import pytest
from servings import published

from dllab_hub.manifests.rows import holder, pod_row
from dllab_hub.manifests.served import Served, object_name
from dllab_hub.specs import DeploymentSpec, Holder
from dllab_hub.specs.capacity import NOBODY

_MINE = {"dllab-hub/owner": "ada"}
_JOB = {"dllab-hub/job": "digits-bcdfghj", "dllab-hub/owner": "ada"}
_SERVED = {"dllab-hub/deployment": "digits", "dllab-hub/owner": "ada"}
_LAB = {"hub.jupyter.org/username": "ada", "hub.jupyter.org/servername": "thesis"}


def _pod(labels: dict[str, str], notes: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "p", "labels": labels, "annotations": notes}, "spec": {}}


@pytest.mark.parametrize(
    ("labels", "notes", "whose"),
    [
        (_JOB, _MINE, Holder(kind="job", owner="ada", name="digits", id="digits-bcdfghj")),
        ({}, _LAB, Holder(kind="lab", owner="ada", name="thesis", id="p")),
        (
            _SERVED,
            _MINE,
            Holder(kind="deployment", owner="ada", name="digits", id=object_name("ada", "digits")),
        ),
        # A label is short and the same for several people: whose it is only a note says.
        (_SERVED, {}, Holder(kind="job", owner=NOBODY)),
        (_JOB, {}, Holder(kind="job", owner=NOBODY)),
        ({"dllab-hub/inspection": "x"}, _MINE, Holder(kind="job", owner=NOBODY)),
        ({}, {}, Holder(kind="job", owner=NOBODY)),
    ],
)
def test_whose_it_is(labels: dict[str, str], notes: dict[str, str], whose: Holder) -> None:
    """Labs, jobs and deployments are a person's by name; all else is nobody's that we know."""
    assert whose == holder(pod_row(_pod(labels, notes)))


def test_pods_of_what_is_served() -> None:
    """The labels that we put on pods of a deployment are those by which they are known."""
    served = Served("ada", DeploymentSpec(name="seven", model="digits"), published(3))
    row = pod_row(_pod(served.pod_labels(served.tracks[0]), served.notes))

    assert ("deployment", "ada", "seven", served.name) == (
        row["kind"], row["owner"], row["name"], row["id"]
    )  # fmt: skip
