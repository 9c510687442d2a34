"""config/prometheus as Prometheus' and Alertmanager's own tools read it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from monitoring import SHIPPED, needs

from dllab_hub.metrics.prometheus import HELP

RULES = sorted(path.name for path in SHIPPED.glob("*.yaml") if "_test" not in path.stem)
TESTS = sorted(path.name for path in SHIPPED.glob("*_test.yaml"))
#: Of these no exporter tells: they come from the lab service on a cluster too.
_DCGM = yaml.safe_load((SHIPPED / "dcgm.yaml").read_text())["groups"][0]["rules"]
_RECORDED = {rule["record"] for rule in _DCGM}


def run(*command: str, cwd: Path = SHIPPED) -> subprocess.CompletedProcess[str]:
    needs(command[0])
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


@pytest.mark.parametrize("name", RULES)
def test_prometheus_reads_the_rules(name: str) -> None:
    """Nothing in a file of rules is wrong, and nothing is there twice."""
    answer = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", name)

    assert 0 == answer.returncode, answer.stdout + answer.stderr


@pytest.mark.parametrize("name", TESTS)
def test_the_rules_do_what_they_say(name: str) -> None:
    """Each rule fires or records when it should, and does not when it should not."""
    answer = run("promtool", "test", "rules", name)

    assert 0 == answer.returncode, answer.stdout + answer.stderr


def test_each_file_of_rules_has_a_test() -> None:
    """There is a file of tests beside each file of rules."""
    assert [name.replace(".yaml", "_test.yaml") for name in RULES] == TESTS


def test_the_examples_can_be_read() -> None:
    """The example settings of Prometheus and Alertmanager are whole."""
    for command in (
        ("promtool", "check", "config", "--syntax-only", "prometheus.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ):
        answer = run(*command)
        assert 0 == answer.returncode, answer.stdout + answer.stderr


@pytest.mark.parametrize("guard", ["< 200", "<= 100", "< 1e4", "< 1e5", "< 1e6", "< 1e9", "< 1e12"])
def test_a_guard_that_is_missing_is_seen(tmp_path: Path, guard: str) -> None:
    """Without what keeps a blank value out, the tests of the rules fail."""
    shutil.copy(SHIPPED / "dcgm_test.yaml", tmp_path)
    text = (SHIPPED / "dcgm.yaml").read_text()
    assert guard in text
    (tmp_path / "dcgm.yaml").write_text(text.replace(f" {guard}", ""))

    assert 0 != run("promtool", "test", "rules", "dcgm_test.yaml", cwd=tmp_path).returncode


def test_the_same_names_on_a_cluster() -> None:
    """What is recorded from dcgm-exporter are names of ours, with the labels that ours have."""
    assert set() == {name for name in _RECORDED if ":" not in name} - set(HELP)


def test_every_alert_about_a_gpu_works_on_a_cluster() -> None:
    """An alert reads only series that are recorded there, or that the lab service has anywhere."""
    alerts = yaml.safe_load((SHIPPED / "alerts.yaml").read_text())["groups"][0]["rules"]
    read = {name for rule in alerts for name in re.findall(r"dllab_\w+", rule["expr"])}

    assert set() == read - set(HELP)
    assert set() == {name for name in read if name.startswith("dllab_gpu_")} - _RECORDED


def test_what_the_exporter_has_to_tell() -> None:
    """The list for dcgm-exporter has every series that the rules read and its defaults lack."""
    listed = re.findall(r"^(DCGM_\w+),", (SHIPPED / "dcgm-counters.csv").read_text(), re.M)
    rules = (SHIPPED / "dcgm.yaml").read_text()

    assert listed
    assert [] == [name for name in listed if name not in rules]
