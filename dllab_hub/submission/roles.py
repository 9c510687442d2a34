"""Roles from words: ``--workers 4 --gpus 1``, ``--ps 2``, ``--role actor=4:python actor.py``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequest
from ..specs import MAX_GPUS, MAX_PROCESSES, Role
from .words import amount, memory, valid_name, whole

__all__ = ("read_role", "roles_for", "strategy_for")

#: What can be said of a role behind its number of replicas.
_READERS: dict[str, Callable[[str], Any]] = {
    "gpus": whole(0, MAX_GPUS),
    "processes": whole(1, MAX_PROCESSES),
    "cpus": amount,
    "memory": memory,
}
_replicas = whole(1, 1024)


def read_role(text: str) -> dict[str, Any]:
    """What ``--role`` says of one role, as fields of a `Role`.

    >>> read_role("actor=4,cpus=2:python actor.py --seed 1")["command"]
    ('python', 'actor.py', '--seed', '1')
    """
    wish, _, command = text.partition(":")
    first, *others = wish.split(",")
    name, equals, replicas = first.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=REPLICAS")
    role: dict[str, Any] = {"name": valid_name(name), "replicas": _replicas(replicas)}
    for other in others:
        key, _, value = other.partition("=")
        if key not in _READERS:
            raise argparse.ArgumentTypeError(
                f"there is no {key!r} of a role; there are {', '.join(_READERS)}"
            )
        try:
            role[key] = _READERS[key](value)
        except argparse.ArgumentTypeError as exc:
            raise argparse.ArgumentTypeError(f"{key} {exc}") from None
    if command:
        try:
            role["command"] = tuple(shlex.split(command))
        except ValueError as exc:
            raise argparse.ArgumentTypeError(f"the command cannot be read: {exc}") from None
    return role


def strategy_for(typed: Mapping[str, Any]) -> str | None:
    """The strategy that was typed or is meant by another option; None: nothing was said.

    Raises:
        InvalidRequest: an option belongs to another strategy.
    """
    said: str | None = typed.get("strategy")
    for option, field, meant in (("--role", "roles", "custom"), ("--ps", "ps", "ps")):
        if field in typed and said not in (None, meant):
            raise InvalidRequest(f"belongs to --strategy {meant}, not to {said}.", field=option)
        if field in typed:
            said = meant
    return said


def roles_for(
    strategy: str, typed: Mapping[str, Any], old: tuple[str, Sequence[Role]] | None = None
) -> tuple[Role, ...]:
    """The roles that were meant.

    Args:
        strategy: Of the job.
        typed: What was typed: any of ``workers ps gpus processes cpus memory roles``.
        old: Strategy and roles of the job that is run again; what was not typed is as there.

    Raises:
        InvalidRequest: a custom training without roles, a role that is there twice, or a number
            for a role it has not.
    """
    own = {key: typed[key] for key in _READERS if key in typed}
    if "roles" in typed:
        if "workers" in typed:
            raise InvalidRequest(
                "a custom training has the roles that --role names.",
                hint="Say how many behind the role's name: --role worker=4.",
                field="--workers",
            )
        names = [role["name"] for role in typed["roles"] if "name" in role]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InvalidRequest(
                f"{min(twice)} is there twice; each role has a name of its own.", field="--role"
            )
        return tuple(Role(**{**own, **role}) for role in typed["roles"])
    roles = list(old[1]) if old and old[0] == strategy else _usual(strategy, old[1] if old else ())
    for field, name, option in (("workers", "worker", "--workers"), ("ps", "ps", "--ps")):
        if field not in typed:
            continue
        at = next((n for n, role in enumerate(roles) if role.name == name), None)
        if at is None:
            raise InvalidRequest(
                f"this job has no role {name}; it has {', '.join(role.name for role in roles)}.",
                field=option,
            )
        try:
            roles[at] = _changed(roles[at], replicas=typed[field])
        except InvalidRequest as exc:  # Of a keyword; what is typed was read before.
            exc.field = field
            raise
    for at, role in enumerate(roles):
        # A parameter server computes on the CPU.
        left_out = "gpus" if strategy == "ps" and role.name == "ps" else ""
        roles[at] = _changed(role, **{k: v for k, v in own.items() if k != left_out})
    return tuple(roles)


def _usual(strategy: str, old: Sequence[Role]) -> list[Role]:
    """The roles of a strategy, each with what the workers had before."""
    worker = next((role for role in old if role.name == "worker"), Role())
    worker = _changed(worker, command=())
    if strategy == "single":
        return [_changed(worker, replicas=1, processes=None)]
    if strategy == "ps":
        worker = _changed(worker, processes=None)
        chief = _changed(worker, name="chief", replicas=1)
        return [chief, worker, _changed(worker, name="ps", replicas=1, gpus=0)]
    if strategy == "custom":
        raise InvalidRequest(
            "a custom training has roles that you name.",
            hint="Such as --role learner=1,gpus=1 --role actor=4.",
            field="--role",
        )
    return [worker]


def _changed(role: Role, **fields: Any) -> Role:
    return Role(**{**{name: getattr(role, name) for name in Role.model_fields}, **fields})
