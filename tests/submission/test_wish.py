"""Roles and fields from options, for a new job and for one that runs again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Code, Role, TrainingSpec
from dllab_hub.submission import (
    Submission,
    Words,
    add_wish_options,
    fields_of,
    in_words,
    rerun_fields,
    typed_in,
)

Make = Callable[..., Submission]

OLD = TrainingSpec(
    name="old",
    image="here",
    code=Code(source="print()", args=("--lr", "0.1")),
    roles=(Role(replicas=2, gpus=1, memory=2**30),),
    time_limit=3600,
    env={"A": "1"},
    priority=3,
)
PS = (("chief", 1), ("worker", 4), ("ps", 2))


def roles(spec: TrainingSpec) -> tuple[tuple[str, int], ...]:
    return tuple((role.name, role.replicas) for role in spec.roles)


def changes(*words: str, old: TrainingSpec = OLD) -> dict[str, object]:
    """What ``%rerun`` would send."""
    parser = Words(prog="%rerun")
    add_wish_options(parser)
    return fields_of(typed_in(parser.read(words)), old)


@pytest.mark.parametrize(
    ("words", "strategy", "expected"),
    [
        ("", "allreduce", (("worker", 1),)),
        ("--workers 4", "allreduce", (("worker", 4),)),
        ("--strategy single", "single", (("worker", 1),)),
        ("--strategy ps --workers 4 --ps 2", "ps", PS),
        ("--ps 2 --workers 4", "ps", PS),
        ("--strategy ps", "ps", (("chief", 1), ("worker", 1), ("ps", 1))),
        ("--role learner=1 --role actor=4", "custom", (("learner", 1), ("actor", 4))),
    ],
)
def test_strategies(
    made: Make, words: str, strategy: str, expected: tuple[tuple[str, int], ...]
) -> None:
    """Each strategy has its roles; an option that belongs to one means it."""
    spec = made(*words.split(), cell="print()").spec

    assert (strategy, expected) == (spec.strategy, roles(spec))


def test_what_each_replica_has(made: Make) -> None:
    """GPUs, CPUs and memory are for each replica, a parameter server has no GPU, and what a role
    says of itself comes before what is said of all.
    """
    words = "--gpus 1 --cpus 2 --memory 4G"
    ps = made(*words.split(), "--ps", "1", cell="print()").spec
    assert [1, 1, 0] == [role.gpus for role in ps.roles]
    assert [(2.0, 4 * 2**30)] * 3 == [(role.cpus, role.memory) for role in ps.roles]

    custom = made(
        *words.split(), "--role", "a=1,gpus=0:bash a.sh", "--role", "b=2", cell="print()"
    ).spec
    assert [(0, 2.0, ("bash", "a.sh")), (1, 2.0, ())] == [
        (role.gpus, role.cpus, role.command) for role in custom.roles
    ]
    assert 2 == made("--processes", "2", cell="x").spec.processes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--strategy single --workers 2", "--workers: a single training has one process. Choose"),
        ("--strategy custom", "--role: a custom training has roles that you name. Such as --role"),
        ("--strategy allreduce --ps 2", "--ps: belongs to --strategy ps, not to allreduce."),
        ("--strategy ps --role a=1", "--role: belongs to --strategy custom, not to ps."),
        ("--role a=1 --role a=2", "--role: a is there twice; each role has a name of its own."),
        ("--role a=1 --workers 2", "--workers: a custom training has the roles that --role names."),
        ("--success-role a", "--success-role: must be a role of a custom training."),
        ("--role a=1 --success-role b", "--success-role: must be a role of a custom training."),
        ("--ps 1 --processes 2", "--processes: a replica of a parameter-server training is one"),
        ("--role a=1,gpus=65", "--role: gpus must be a whole number from 0 to 64"),
        ("--memory 1", "--memory: must be an amount such as 512M or 4G"),
        ("--cpus 5000", "--cpus: "),
        ("--time-limit 91d", "--time-limit: "),
        ("--time-limit soon", "--time-limit: must be a time such as 90m"),
        ("--priority 101", "--priority: must be a whole number from -100 to 100"),
        ("--checkpoint-from x", "--checkpoint-from: must be the whole id of a job"),
        ("--workers 0", "--workers: must be a whole number from 1 to 1024"),
        ("--workers 1000000", "--workers: must be a whole number from 1 to 1024"),
        ("--module ../x --no-workspace", "--module: must be a dotted name"),
    ],
)
def test_what_cannot_be_wished(made: Make, words: str, said: str) -> None:
    """One line names the option and the fix."""
    with pytest.raises(InvalidRequest) as caught:
        made(*words.split(), **({} if "--module" in words else {"cell": "print()"}))
    assert in_words(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", {}),
        ("--workers 4", {"roles": (Role(replicas=4, gpus=1, memory=2**30),)}),
        ("--gpus 0", {"roles": (Role(replicas=2, memory=2**30),)}),
        ("--env B=2", {"env": {"A": "1", "B": "2"}}),
        ("--time-limit none --no-lab", {"time_limit": None, "lab": None}),
        ("--priority -5", {"priority": -5}),
        ("--resume-after-reboot", {"resume_after_reboot": True}),
        ("--no-resume-after-reboot", {"resume_after_reboot": False}),
        ("--volumes", {"volumes": ()}),
        (
            "--strategy single",
            {"strategy": "single", "roles": (Role(gpus=1, memory=2**30),)},
        ),
        (
            "--ps 3",
            {
                "strategy": "ps",
                "roles": (
                    Role(name="chief", gpus=1, memory=2**30),
                    Role(name="worker", replicas=2, gpus=1, memory=2**30),
                    Role(name="ps", replicas=3, memory=2**30),
                ),
            },
        ),
    ],
)
def test_only_what_is_typed_changes(words: str, expected: dict[str, object]) -> None:
    """A rerun sends the options that were typed, and nothing of all others."""
    assert expected == changes(*words.split())


def test_a_rerun_of_a_custom_training() -> None:
    """Its roles stay; one that it does not have cannot be changed; another strategy drops what
    belonged to the roles.
    """
    old = OLD.model_copy(
        update={
            "strategy": "custom",
            "roles": (Role(name="worker"), Role(name="actor", replicas=2)),
            "success_role": "worker",
        }
    )
    assert (Role(name="worker", replicas=3), old.roles[1]) == changes("--workers", "3", old=old)[
        "roles"
    ]
    assert None is changes("--strategy", "single", old=old)["success_role"]
    with pytest.raises(InvalidRequest, match="no role worker; it has actor"):
        changes("--workers", "3", old=old.model_copy(update={"roles": old.roles[1:]}))


def test_keywords_of_a_rerun() -> None:
    """``_job.rerun`` takes the options by name, and fields as they are; a wrong one is named."""
    assert {
        "roles": (Role(replicas=4, gpus=1, memory=2**31),),
        "time_limit": 7200,
        "env": {"A": "1", "B": "2"},
        "code": {"args": ("--lr", "1")},
    } == rerun_fields(
        OLD,
        {
            **{"workers": 4, "memory": "2G", "time_limit": "2h"},
            **{"env": {"B": "2"}, "args": ["--lr", "1"]},
        },
    )
    assert {"time_limit": None, "workspace": None} == rerun_fields(
        OLD, {"time_limit": None, "workspace": None}
    )
    with pytest.raises(InvalidRequest, match=r"a job has no worker\. Did you mean workers\?"):
        rerun_fields(OLD, {"worker": 2})
    with pytest.raises(InvalidRequest, match="workers: should be greater than or equal to 1"):
        rerun_fields(OLD, {"workers": 0})
    with pytest.raises(InvalidRequest, match="time_limit: must be a time"):
        rerun_fields(OLD, {"time_limit": "soon"})
