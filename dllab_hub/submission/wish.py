"""From what was typed to fields of a `TrainingSpec`, for a new job and for one that runs again."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InvalidRequest
from ..specs import TrainingSpec
from .roles import roles_for, strategy_for
from .words import memory, seconds

__all__ = ("fields_of", "rerun_fields", "typed_in")

#: Options whose value is the field's.
_SAME = (
    *("name", "image", "success_role", "max_restarts", "checkpoint_every", "checkpoint_from"),
    *("priority", "resume_after_reboot", "on_stall", "target"),
)
_ROLES = ("workers", "ps", "gpus", "processes", "cpus", "memory", "roles")
_OTHERS = ("strategy", "time_limit", "stall_after", "env", "volumes", "lab", "tags", "args")
#: Keywords that a person writes as text.
_READERS: dict[str, Callable[[str], Any]] = {
    "time_limit": seconds,
    "stall_after": seconds,
    "memory": memory,
}


def typed_in(options: argparse.Namespace) -> dict[str, Any]:
    """What was typed, by option; what was not is not there."""
    names = {*_SAME, *_ROLES, *_OTHERS}
    return {k: v for k, v in vars(options).items() if k in names and v is not None}


def fields_of(typed: Mapping[str, Any], old: TrainingSpec | None = None) -> dict[str, Any]:
    """The fields that are said, as values; all others are the default, or as in ``old``.

    Args:
        typed: Of `typed_in`, or keywords of the same names.
        old: Of the job that is run again.

    Raises:
        InvalidRequest: options contradict one another, or the roles of the job.
    """
    fields = {name: typed[name] for name in _SAME if name in typed}
    for name in ("time_limit", "stall_after"):
        if name in typed:
            fields[name] = typed[name] or None
    if "lab" in typed:
        fields["lab"] = typed["lab"] or None
    if "volumes" in typed:
        fields["volumes"] = tuple(typed["volumes"])
    if "tags" in typed:
        fields["tags"] = tuple(dict.fromkeys(typed["tags"]))
    if "env" in typed:
        # One more variable leaves the others as they are.
        fields["env"] = {**(old.env if old else {}), **_environment(typed["env"])}
    if "args" in typed:
        fields["code"] = {"args": tuple(typed["args"])}
    said = strategy_for(typed)
    if said is not None:
        fields["strategy"] = said
    if said is not None or any(name in typed for name in _ROLES):
        known = TrainingSpec.model_fields["strategy"].default if old is None else old.strategy
        before = None if old is None else (old.strategy, old.roles)
        fields["roles"] = roles_for(said or known, typed, before)
    if old is not None and old.success_role and said not in (None, "custom"):
        fields.setdefault("success_role", None)  # It belongs to the roles that are gone.
    return fields


def rerun_fields(old: TrainingSpec, wished: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that keywords change: ``workers=4, time_limit="2h", args=("--lr", "0.2")``.

    Args:
        old: Of the job that is run again.
        wished: Options by name, or fields of a `TrainingSpec` as they are.

    Raises:
        InvalidRequest: there is no such keyword, or its value cannot be.
    """
    as_they_are = {"roles", "code", "workspace"}
    known = {*_SAME, *_ROLES, *_OTHERS, *as_they_are}
    typed, fields = {}, {}
    for key, value in wished.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(sorted(known))}."
            raise InvalidRequest(f"a job has no {key}.", hint=hint)
        if key in as_they_are:
            fields[key] = value
        else:
            typed[key] = _read(key, value)
    return {**fields_of(typed, old), **fields}


def _read(key: str, value: Any) -> Any:
    if value is None:
        return {"time_limit": 0, "stall_after": 0, "lab": "", "volumes": ()}.get(key)
    if key in _READERS and isinstance(value, str):
        try:
            return _READERS[key](value)
        except argparse.ArgumentTypeError as exc:
            raise InvalidRequest(f"{exc}.", field=key) from None
    return value


def _environment(pairs: Any) -> dict[str, str]:
    if isinstance(pairs, Mapping):
        return dict(pairs)
    made = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidRequest(f"{pair!r} is not of the form NAME=VALUE.", field="env")
        made[key] = value
    return made
