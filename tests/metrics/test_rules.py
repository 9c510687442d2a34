"""The table of rules, what it prints for Prometheus, and what an administrator may say of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dllab_hub.errors import DLLabError
from dllab_hub.metrics.alert_settings import POSSIBLE, alert_settings
from dllab_hub.metrics.prometheus import HELP
from dllab_hub.metrics.rulefile import rule_file
from dllab_hub.metrics.rules import RULES
from dllab_hub.specs import ACTIONS
from dllab_hub.state import StateDir

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "config" / "prometheus"


def test_what_is_shipped_is_what_is_printed() -> None:
    """The file of rules is made of the table: `dllab alerts rules` writes it anew."""
    assert (SHIPPED / "alerts.yaml").read_text() == rule_file(RULES)


def test_the_style_of_rules() -> None:
    """A name in CamelCase, a severity, and words that say what it is, and what to do where."""
    guide = (ROOT / "config" / "README.md").read_text()
    (group,) = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"]

    for rule in group["rules"]:
        assert re.fullmatch(r"([A-Z]+[a-z]*)+", rule["alert"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
        assert "{{" not in rule["annotations"]["summary"]
        anchor = rule["annotations"]["runbook_url"].removeprefix("config/README.md#")
        assert f"\n#### {rule['alert']}\n" in guide
        assert rule["alert"].lower() == anchor


def test_each_alert_is_tested() -> None:
    """Of each there are cases in which it fires and in which it does not."""
    tests = yaml.safe_load((SHIPPED / "alerts_test.yaml").read_text())["tests"]
    fires, not_fires = set(), set()
    for case in (case for test in tests for case in test.get("promql_expr_test", ())):
        (name,) = re.findall(r'alertname="(\w+)"', case["expr"])
        firing = any("firing" in sample["labels"] for sample in case["exp_samples"])
        (fires if firing else not_fires).add(name)

    assert {rule.name for rule in RULES} == fires == not_fires


def test_rules_ask_for_what_is_measured() -> None:
    """Every series that a rule asks for is one that is exposed."""
    asked = {series.name for rule in RULES for series in rule.condition.series()}

    assert set() == asked - set(HELP)


def settings(tmp_path: Path, text: str):
    (tmp_path / "catalog.toml").write_text(text)
    return alert_settings(StateDir.at(tmp_path))


def test_without_settings(tmp_path: Path) -> None:
    """The defaults hold, nobody is told beside those whom it concerns, and nothing is done."""
    said = alert_settings(StateDir.at(tmp_path))

    assert (RULES, {}, None, None) == (said.rules, said.actions, said.webhook, said.email)


def test_own_thresholds(tmp_path: Path) -> None:
    """They are in the rules, and so in what is printed for Prometheus."""
    said = settings(
        tmp_path,
        """
        [alerts]
        webhook = "https://ops.example.org/x"
        [alerts.GPUTemperatureHigh]
        above = 75.5
        for = 90
        severity = "critical"
        [alerts.GPUMemoryNearFull]
        off = true
        [alerts.actions]
        GPULost = ["relaunch", "withdraw"]
        TrainingStalled = "relaunch"
        """,
    )
    (group,) = yaml.safe_load(rule_file(said.rules))["groups"]
    rules = {rule["alert"]: rule for rule in group["rules"]}

    hot = rules["GPUTemperatureHigh"]
    assert "dllab_gpu_temperature_celsius > 75.5" == hot["expr"]
    assert ("90s", "critical") == (hot["for"], hot["labels"]["severity"])
    assert "GPUMemoryNearFull" not in rules
    assert {"GPULost": ("withdraw", "relaunch"), "TrainingStalled": ("relaunch",)} == said.actions
    assert "https://ops.example.org/x" == said.webhook


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("alerts = 3", "alerts"),
        ("[alerts]\nmail = 'x'", "alerts.mail"),
        ("[alerts]\nwebhook = 3", "alerts.webhook"),
        ("[alerts]\nsecret_file = 'relative'", "alerts.secret_file"),
        ("[alerts.GPUHot]\nabove = 3", "alerts.GPUHot"),
        ("[alerts]\nGPULost = 3", "alerts.GPULost"),
        ("[alerts.GPUTemperatureHigh]\nabove = 'hot'", "alerts.GPUTemperatureHigh.above"),
        ("[alerts.GPUTemperatureHigh]\nabove = nan", "alerts.GPUTemperatureHigh"),
        ("[alerts.GPUTemperatureHigh]\nabove = true", "alerts.GPUTemperatureHigh.above"),
        ("[alerts.GPUTemperatureHigh]\nabove = -1", "alerts.GPUTemperatureHigh.above"),
        ("[alerts.GPUTemperatureHigh]\nfor = '5m'", "alerts.GPUTemperatureHigh.for"),
        ("[alerts.GPUTemperatureHigh]\nfor = 1e9", "alerts.GPUTemperatureHigh.for"),
        ("[alerts.GPUTemperatureHigh]\nhold = 3", "alerts.GPUTemperatureHigh.hold"),
        ("[alerts.GPUTemperatureHigh]\nseverity = 'page'", "alerts.GPUTemperatureHigh.severity"),
        ("[alerts.GPUMemoryNearFull]\nabove = 95", "alerts.GPUMemoryNearFull.above"),
        ("[alerts.GPULost]\nabove = 1", "alerts.GPULost.above"),
        ("[alerts.GPULost]\noff = 1", "alerts.GPULost.off"),
        ("[alerts.actions]\nGPUHot = 'withdraw'", "alerts.actions.GPUHot"),
        ("[alerts.actions]\nGPULost = 'reboot'", "alerts.actions.GPULost"),
        ("[alerts.actions]\nGPULost = 3", "alerts.actions.GPULost"),
        ("[alerts.actions]\nGPULost = 'scale'", "alerts.actions.GPULost"),
        ("[alerts.actions]\nSamplerStale = ['relaunch']", "alerts.actions.SamplerStale"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, field: str) -> None:
    """The message has the file and the key; the file's words are not repeated."""
    with pytest.raises(DLLabError) as caught:
        settings(tmp_path, text)

    assert f"{tmp_path / 'catalog.toml'} is wrong: {field}: " in str(caught.value)


def test_each_action_is_possible_somewhere() -> None:
    """There is none that no rule can have."""
    assert set(ACTIONS) == {action for possible in POSSIBLE.values() for action in possible}
