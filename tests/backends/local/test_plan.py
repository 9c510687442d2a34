"""What a shim is told to run."""

from __future__ import annotations

import pytest

from dllab_hub.backends.local.carried import Carried
from dllab_hub.backends.local.plan import plan_of
from dllab_hub.specs import Code, JobState, Role, TrainingJob


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ({"source": "1", "args": ("a b", "$x")}, ["py", "train.py", "a b", "$x"]),
        ({"source": "1", "filename": "-c"}, ["py", "./-c"]),
        ({"kind": "module", "module": "a.b", "args": ("-x",)}, ["py", "-m", "a.b", "-x"]),
        ({"kind": "shell", "source": "ls", "filename": "run.sh"}, ["bash", "run.sh"]),
        ({"kind": "shell", "source": "ls", "filename": "-i"}, ["bash", "./-i"]),
        ({"kind": "command", "args": ("torchrun", "x.py")}, ["torchrun", "x.py"]),
    ],
)  # fmt: skip
def test_programs(code, words):
    """Each kind of code is a list of words that no shell reads; a file is never an option."""
    assert words == Code(**code).program("py")


def test_roles_are_resolved(make_spec):
    """How many processes a replica has is written down; under ps the chief's success ends it."""
    spec = make_spec(
        strategy="custom",
        roles=(
            Role(name="a", gpus=2, cpus=1.5, memory=2**30),
            Role(name="b", replicas=2, processes=3, command=("sh", "-c", "true")),
        ),
        success_role="a",
    )
    plan = plan_of(spec, "py")
    spread = plan_of(make_spec(gpus=4), "py")

    assert {
        "name": "a",
        "replicas": 1,
        "gpus": 2,
        "processes": 1,
        "cpus": 1.5,
        "memory": 2**30,
        "program": None,
    } == plan["roles"][0]
    assert (3, ["sh", "-c", "true"]) == (plan["roles"][1]["processes"], plan["roles"][1]["program"])
    assert ("custom", "a") == (plan["strategy"], plan["success_role"])
    assert (4, None) == (spread["roles"][0]["processes"], spread["success_role"])


def test_a_parameter_server_ends_with_its_chief(make_spec):
    """The plan names the chief as the role that ends it."""
    roles = tuple(Role(name=name) for name in ("chief", "ps", "worker"))

    assert "chief" == plan_of(make_spec(strategy="ps", roles=roles), "py")["success_role"]


def test_when_a_job_counts_as_stalled(make_spec):
    """After how long, and what follows; None is that nobody looks."""
    wish = make_spec(stall_after=600, on_stall="relaunch")
    found = [plan_of(spec, "py") for spec in (wish, make_spec(stall_after=None))]

    assert [600, None] == [plan["stall_after"] for plan in found]
    assert ["relaunch", "alert"] == [plan["on_stall"] for plan in found]


def test_what_is_carried(make_spec):
    """The next launch goes on counting attempts and seconds, and has what is left of the limit."""
    job = TrainingJob(
        id="x-bcdfghj",
        owner="ada",
        spec=make_spec(time_limit=100),
        state=JobState.PAUSED,
        attempt=3,
        ran=40.0,
        created=1.0,
    )
    assert {"first_attempt": 4, "ran": 40.0, "time_limit": 60.0} == Carried.after(job, 9.0).plan(
        job
    )
    assert {"first_attempt": 1, "ran": 0.0, "time_limit": 100.0} == Carried(since=1.0).plan(job)
