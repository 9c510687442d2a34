"""A real Prometheus scrapes a real lab service, and a real Alertmanager tells a real receiver."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
from lost_gpu import lost_gpu
from monitoring import needs
from watched_service import WatchedService

#: Seconds from the fault to the webhook, at one scrape and one look at the rules a second.
SOON = 5.0


def well(service: WatchedService) -> None:
    """What it tells is what Prometheus wants."""
    with httpx.Client(trust_env=False) as http:
        text = service.scrape(http)
    answer = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True
    )
    assert (0, "", "") == (answer.returncode, answer.stdout, answer.stderr)


def test_a_lost_gpu(tmp_path: Path) -> None:
    """Somebody is told within five seconds that a GPU is lost, and then that it is back."""
    needs("promtool")
    told = lost_gpu(tmp_path, well)
    print(f"told of the fault after {told.lost:.1f} s, of its end after {told.back:.1f} s")
    first = told.alerts[0]

    assert ("firing", "GPULost") == (first["status"], first["labels"]["alertname"])
    assert "critical" == first["labels"]["severity"]
    assert first["annotations"]["description"].startswith("GPU 1 ")
    assert "resolved" == told.alerts[-1]["status"]
    assert max(told.lost, told.back) <= SOON
