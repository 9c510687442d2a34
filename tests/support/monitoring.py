"""Debian's Prometheus and Alertmanager on loopback, with the configuration that is shipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from dllab_hub.shim.ports import free_port

__all__ = ("SHIPPED", "Prometheus", "a_prometheus", "needs", "scraping")

SHIPPED = Path(__file__).parents[2] / "config" / "prometheus"
#: Program and the package that has it.
_PROGRAMS = {
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
}


def needs(*programs: str) -> None:
    """Skip the test where one is missing. CI installs their packages, so there it fails."""
    for program in programs:
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"{program} is missing in CI")
            pytest.skip(f"{program} is missing: install the package {_PROGRAMS[program]}")


@dataclass
class Prometheus:
    """One that scrapes, and its Alertmanager.

    Attributes:
        url: Of Prometheus.
        alertmanager: Of Alertmanager.
    """

    url: str
    alertmanager: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now; fails on one that cannot be read."""
        answer = httpx.get(
            f"{self.url}api/v1/query", params={"query": expression}, trust_env=False, timeout=20
        ).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        result = answer["data"]["result"]
        return result if isinstance(result, list) else [result]

    def until(self, expression: str, seconds: float = 20) -> list[dict[str, Any]]:
        """Wait until it has a series."""
        deadline = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, f"{expression} has no series; {self.targets()}"
            time.sleep(0.1)
        return found

    def targets(self) -> list[tuple[str, str]]:
        """Health and last error of what is scraped."""
        answer = httpx.get(f"{self.url}api/v1/targets", trust_env=False, timeout=20).json()
        return [(one["health"], one["lastError"]) for one in answer["data"]["activeTargets"]]


@contextmanager
def a_prometheus(
    home: Path, lab: str, token: str, webhook: str = "http://127.0.0.1:1/", every: str = "1s"
) -> Iterator[Prometheus]:
    """The shipped configuration, with other addresses and a shorter interval.

    Args:
        home: Where everything lies.
        lab: Host and port that the lab service is reached at.
        token: With which Prometheus comes.
        webhook: Who is told of alerts.
        every: Between two scrapes, and between two looks at the rules.
    """
    needs("prometheus", "prometheus-alertmanager")
    home.mkdir(parents=True, exist_ok=True)
    mine, alertmanager = free_port(), free_port()
    (home / "token").write_text(f"{token}\n")
    for rules in ("alerts.yaml", "dcgm.yaml"):
        shutil.copy(SHIPPED / rules, home)
    said = yaml.safe_load((SHIPPED / "prometheus.yml").read_text())
    said["global"] = {"scrape_interval": every, "evaluation_interval": every}
    said["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
        f"127.0.0.1:{alertmanager}"
    ]
    (job,) = (job for job in said["scrape_configs"] if job["job_name"] == "dllab")
    job["scrape_timeout"] = every
    job["authorization"]["credentials_file"] = str(home / "token")
    job["static_configs"][0]["targets"] = [lab]
    said["scrape_configs"] = [job]
    (home / "prometheus.yml").write_text(yaml.safe_dump(said))
    told = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text())
    told["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for receiver in told["receivers"]:
        for hook in receiver.get("webhook_configs", ()):
            hook["url"] = webhook
    (home / "alertmanager.yml").write_text(yaml.safe_dump(told))
    urls = Prometheus(f"http://127.0.0.1:{mine}/", f"http://127.0.0.1:{alertmanager}/")
    with (
        _running(
            home, f"{urls.alertmanager}-/ready", "prometheus-alertmanager",
            "--config.file=alertmanager.yml", "--storage.path=alerts",
            f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=",
        ),
        _running(
            home, f"{urls.url}-/ready", "prometheus",
            "--config.file=prometheus.yml", "--storage.tsdb.path=series",
            f"--web.listen-address=127.0.0.1:{mine}", "--storage.tsdb.retention.time=1h",
        ),
    ):  # fmt: skip
        yield urls


@contextmanager
def scraping(home: Path, said: dict[str, Any], port: int) -> Iterator[Prometheus]:
    """A Prometheus alone, with the rules for dcgm-exporter and these settings.

    It can be started again at the same place, and knows then what it has known.

    Args:
        home: Where everything lies.
        said: Its settings.
        port: On 127.0.0.1.
    """
    needs("prometheus")
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(SHIPPED / "dcgm.yaml", home)
    (home / "prometheus.yml").write_text(yaml.safe_dump({**said, "rule_files": ["dcgm.yaml"]}))
    url = f"http://127.0.0.1:{port}/"
    with _running(
        home, f"{url}-/ready", "prometheus",
        "--config.file=prometheus.yml", "--storage.tsdb.path=series",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=1h",
    ):  # fmt: skip
        yield Prometheus(url, "")


@contextmanager
def _running(home: Path, ready: str, *command: str) -> Iterator[None]:
    log = home / f"{command[0]}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=home, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        deadline = time.monotonic() + 60
        while not _answers(ready):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).is_success
    except httpx.TransportError:
        return False
