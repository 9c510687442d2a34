"""A GPU is lost and comes back; how long it takes until a real receiver has been told of both."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitoring import a_prometheus
from receivers import Hook, hook
from watched_service import TOKEN, WatchedService, watched_service

from dllab_hub.testing.nvml import FakeNvml

__all__ = ("Told", "lost_gpu")


@dataclass(frozen=True)
class Told:
    """What came.

    Attributes:
        lost: Seconds from the fault to the webhook.
        back: Seconds from its end to the webhook.
        alerts: As Alertmanager sends them, in order.
    """

    lost: float
    back: float
    alerts: list[dict[str, Any]]


def lost_gpu(home: Path, check: Callable[[WatchedService], None] = lambda _: None) -> Told:
    """With one scrape and one look at the rules a second.

    Args:
        home: Where everything lies.
        check: Called while all is well.
    """
    with hook() as receiver, watched_service(home, gpus=2) as service:
        check(service)
        with a_prometheus(home / "prometheus", service.address, TOKEN, receiver.url) as prometheus:
            assert 2 == len(prometheus.until("dllab_gpu_up == 1"))
            assert [] == prometheus.query("ALERTS")
            service.nvml.set(gpu=1, error=FakeNvml.GPU_IS_LOST)
            lost = _seconds_until(receiver, "firing")
            service.nvml.set(gpu=1, error=None)
            back = _seconds_until(receiver, "resolved")
            assert 2 == len(prometheus.until("dllab_gpu_up == 1"))
        return Told(lost, back, _alerts(receiver))


def _alerts(receiver: Hook) -> list[dict[str, Any]]:
    return [alert for _, body in receiver.posts for alert in json.loads(body)["alerts"]]


def _seconds_until(receiver: Hook, status: str) -> float:
    began = time.monotonic()
    while status not in [alert["status"] for alert in _alerts(receiver)]:
        assert time.monotonic() - began < 30, receiver.posts
        time.sleep(0.02)
    return time.monotonic() - began
