"""Prometheus and the real hub: whose token opens the lab service's metrics."""

from __future__ import annotations

import httpx
from running_hub import GPUS, PROMETHEUS, RunningHub


def scrape(hub: RunningHub, path: str, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{hub.facts['address']}{path}", headers=headers, trust_env=False, timeout=30)


def test_prometheus_of_this_hub(hub: RunningHub) -> None:
    """With the token in the hub's directory it reads the lab service's metrics and the hub's."""
    own = scrape(hub, "/services/dllab/metrics", PROMETHEUS)
    hubs = scrape(hub, "/hub/metrics", PROMETHEUS)

    assert GPUS == own.raise_for_status().text.count("\ndllab_gpu_up{")
    assert "jupyterhub_running_servers" in hubs.raise_for_status().text
    assert 403 == scrape(hub, "/hub/api/users", PROMETHEUS).status_code
    assert 403 == scrape(hub, "/services/dllab/dllab/api/jobs", PROMETHEUS).status_code


def test_people_of_this_hub(hub: RunningHub) -> None:
    """An administrator may look too; somebody else may not."""
    password = (hub.home / "hub" / "admin-password").read_text().strip()
    for name, secret, status in (("admin", password, 200), ("ada-m", "", 403)):
        token = hub.session(name, secret).token()
        assert status == scrape(hub, "/services/dllab/metrics", token).status_code
    assert 403 == scrape(hub, "/services/dllab/metrics", "wrong").status_code
