"""`AlertSettings`: what the administrator says of alerts.

In ``catalog.toml``; every part is optional::

    [alerts]
    webhook = "https://ops.example.org/hook"   # gets every critical alert and every warning
    secret_file = "/etc/dllab/alert-secret"    # signs what is posted, as people's webhooks do
    email = "ops@example.org"

    [alerts.GPUTemperatureHigh]                # any rule of the table
    above = 75
    for = 120                                  # seconds
    severity = "critical"

    [alerts.GPUMemoryNearFull]
    off = true

    [alerts.actions]                           # nothing is done by itself without it
    GPULost = ["withdraw", "relaunch"]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..errors import DLLabError, InvalidRequest
from ..settings import only, read
from ..specs import ACTIONS, Action
from ..specs.wire import Value
from ..state import StateDir
from .rules import RULES, Kind, Rule

__all__ = ("POSSIBLE", "AlertSettings", "alert_settings")

#: What can be done about what a rule is about.
POSSIBLE: Mapping[Kind, tuple[Action, ...]] = {
    "gpu": ("withdraw", "relaunch"),
    "job": ("relaunch",),
    "deployment": ("replace", "scale"),
    "service": (),
}
_NAMES = {rule.name: rule for rule in RULES}
_DAY = 86400.0


class _Own(Value):
    """What is said of one rule; ``hold`` is written ``for``."""

    above: float | None = Field(default=None, ge=0, le=1e15)
    hold: float | None = Field(default=None, ge=0, le=_DAY)
    severity: Literal["critical", "warning", "info"] | None = None
    off: bool = False


class _Where(Value):
    """Where the administrator is told."""

    webhook: str | None = Field(default=None, max_length=2000)
    secret_file: str | None = None
    email: str | None = Field(default=None, max_length=254)


@dataclass(frozen=True)
class AlertSettings:
    """Rules with the thresholds that hold here, and what else is set.

    Attributes:
        rules: All of the table, also those that are off.
        actions: What is done by itself, by the rule's name.
        webhook: Of the administrator; None: none.
        secret_file: Absolute path of a file whose first line signs what is posted there.
        email: Of the administrator; None: none.
    """

    rules: tuple[Rule, ...] = RULES
    actions: Mapping[str, tuple[Action, ...]] = field(default_factory=dict)
    webhook: str | None = None
    secret_file: str | None = None
    email: str | None = None


def alert_settings(state: StateDir) -> AlertSettings:
    """What ``catalog.toml`` says; a small file, and an unchanged one is not read again.

    Raises:
        DLLabError: it is wrong; the message names the file and the key.
    """
    path = state.root / "catalog.toml"
    try:
        return _settings(read(path).get("alerts", {}))
    except InvalidRequest as exc:
        raise DLLabError(
            f"{path} is wrong: {exc}",
            hint="The administrator can fix it. Until then the settings from before hold.",
        ) from exc


def _settings(table: Any) -> AlertSettings:
    only({*_NAMES, *_Where.model_fields, "actions"}, table, "alerts")
    with _Named("alerts"):
        where = _Where.from_wire({key: table[key] for key in _Where.model_fields if key in table})
        if where.secret_file is not None and not Path(where.secret_file).is_absolute():
            raise InvalidRequest("must be an absolute path.", field="secret_file")
    own = {name: _own(name, table[name]) for name in _NAMES if name in table}
    actions = table.get("actions", {})
    only(set(_NAMES), actions, "alerts.actions")
    return AlertSettings(
        rules=tuple(_changed(rule, own.get(rule.name)) for rule in RULES),
        actions={name: _actions(name, said) for name, said in actions.items()},
        webhook=where.webhook,
        secret_file=where.secret_file,
        email=where.email,
    )


def _own(name: str, table: Any) -> _Own:
    field = f"alerts.{name}"
    rule = _NAMES[name]
    only({"above", "for", "severity", "off"}, table, field)
    if "above" in table and rule.above is None:
        raise InvalidRequest("this rule has no threshold.", field=f"{field}.above")
    with _Named(field):
        own = _Own.from_wire({("hold" if key == "for" else key): table[key] for key in table})
        if rule.unit == "ratio" and own.above is not None and own.above > 1:
            raise InvalidRequest("must be a share, from 0 to 1.", field="above")
    return own


def _actions(name: str, said: Any) -> tuple[Action, ...]:
    field = f"alerts.actions.{name}"
    listed = [said] if isinstance(said, str) else said
    possible = POSSIBLE[_NAMES[name].kind]
    if not isinstance(listed, list) or any(each not in ACTIONS for each in listed):
        raise InvalidRequest(f"must be one or more of {', '.join(ACTIONS)}.", field=field)
    if wrong := [each for each in listed if each not in possible]:
        could = f"Possible here: {', '.join(possible)}." if possible else "Nothing is possible."
        raise InvalidRequest(f"{wrong[0]} is nothing for this rule.", hint=could, field=field)
    # First the GPU goes: else what is relaunched might get it again.
    return tuple(sorted(set(listed), key=lambda each: (each != "withdraw", ACTIONS.index(each))))


def _changed(rule: Rule, own: _Own | None) -> Rule:
    if own is None:
        return rule
    said = own.model_dump(exclude_none=True)
    return replace(rule, **said)


class _Named:
    """Says of a field that is wrong in which table it is."""

    def __init__(self, table: str) -> None:
        self._table = table

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidRequest):
            name = "for" if error.field == "hold" else error.field
            where = f"{self._table}.{name}".rstrip(".")
            raise InvalidRequest(error.message, hint=error.hint, field=where) from error
