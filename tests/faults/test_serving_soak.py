"""Half an hour of a deployment that is asked now and then: nothing of it grows."""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import garbage
import psutil
import pytest
from model_service import SMALL, ModelService, model_service

#: Minutes; a short try shows that the test works, and no slope.
MINUTES = float(os.environ.get("DLLAB_SOAK_MINUTES", "30"))
#: Below so many minutes a slope says nothing.
_ENOUGH = 20.0
#: Bytes an hour, of each part.
_SLOPE = 2 * 1024 * 1024
#: Minutes before them: pools of connections and the history of the last minutes are full then.
_WARM = 6.0 if MINUTES >= _ENOUGH else 0.1
#: Seconds between two requests of one person, and between two looks at the deployment.
_PAUSE, _LOOK = 0.1, 1.0


def _again(end: float, pause: float, act: Callable[[], None]) -> threading.Thread:
    """Do it again and again in a thread."""

    def run() -> None:
        while time.monotonic() < end:
            act()
            time.sleep(pause)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def _measure(parts: dict[str, psutil.Process], end: float) -> list[tuple[float, dict[str, int]]]:
    """Seconds, and resident bytes of each part, every five seconds once all is warm."""
    seen = []
    time.sleep(_WARM * 60)
    while time.monotonic() < end:
        now = {name: process.memory_info().rss for name, process in parts.items()}
        seen.append((time.monotonic(), now))
        time.sleep(5)
    return seen


@pytest.mark.long
@pytest.mark.timeout((_WARM + MINUTES) * 60 + 300)
def test_a_deployment_does_not_grow(tmp_path: Path, onnx_models: Path) -> None:
    """Lab service, balancer and replica grow by less than 2 MiB an hour each, keep no descriptor
    open, and answer everybody, while good and bad requests come and somebody watches."""
    with model_service(tmp_path / "soak") as service:
        service.serve(onnx_models / "id_DOUBLE.onnx")
        answers: Counter[int] = Counter()
        # The small ones: what a body of megabytes needs for a moment would hide a slope.
        bad = [body for body in (*garbage.V1.values(), *garbage.V2.values()) if len(body) < 10_000]
        end = time.monotonic() + (_WARM + MINUTES) * 60
        parts = {
            "service": psutil.Process(service.process.pid),
            "balancer": service.balancer(),
            "replica": service.replica(),
        }
        turns = iter(range(10**9))

        def ask() -> None:
            answers[service.ask("v1/models/net:predict", SMALL).status_code] += 1

        def ask_badly() -> None:
            body = bad[next(turns) % len(bad)]
            answers[service.ask("v2/models/net/infer", body).status_code // 100] += 1

        threads = [
            *(_again(end, _PAUSE, ask) for _ in range(3)),
            _again(end, 5 * _PAUSE, ask_badly),
            _again(end, _LOOK, lambda: _watch(service)),
        ]
        ask()
        files = {name: process.num_fds() for name, process in parts.items()}
        seen = _measure(parts, end)
        for thread in threads:
            thread.join(60)
        time.sleep(10)  # Connections that nobody uses are closed.
        left = {name: process.num_fds() for name, process in parts.items()}
        kept = {name: process.is_running() for name, process in parts.items()}
    times = [moment for moment, _ in seen]
    for name in parts:
        sizes = [size[name] for _, size in seen]
        slope = statistics.linear_regression(times, sizes).slope * 3600
        print(
            f"{name}, {MINUTES:g} min: {sizes[0] / 2**20:.1f} to {sizes[-1] / 2**20:.1f} MiB, "
            f"{slope / 2**20:+.2f} MiB/h; descriptors {files[name]} before, {left[name]} after"
        )
        assert kept[name], name
        assert left[name] <= files[name] + 8, name
        assert MINUTES < _ENOUGH or slope <= _SLOPE, name
    print(dict(answers))
    assert {200, 4} == answers.keys()


def _watch(service: ModelService) -> None:
    """As a sidebar does."""
    assert service.client.deployment("net").ready == 1
    service.client.deployment_events("net")
    service.client.deployment_logs("net", offset=-1000)
