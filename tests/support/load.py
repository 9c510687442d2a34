"""Callers of a deployment at the hub's URL, as programs outside of every lab."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from browser_session import BrowserSession, Refused

__all__ = ("Load", "kill_under_load")

#: Programs that ask one after the other, without a pause.
_CALLERS = 4


@dataclass
class Load:
    """Callers that ask all the time, and what they were answered.

    Attributes:
        url: Of the model, at the hub's address.
        token: Of a person.
        body: What they send.
    """

    url: str
    token: str
    body: dict[str, Any]
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._end = threading.Event()
        self._callers = [threading.Thread(target=self._ask) for _ in range(_CALLERS)]
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for caller in self._callers:
            caller.join()

    def __str__(self) -> str:
        p99 = statistics.quantiles(self.seconds, n=100)[98] if len(self.seconds) > 1 else 0.0
        return (
            f"{len(self.seconds)} answers, {len(self.failures)} failed, "
            f"median {statistics.median(self.seconds) * 1e3:.1f} ms, p99 {p99 * 1e3:.0f} ms"
        )

    def _ask(self) -> None:
        with httpx.Client(
            headers={"Authorization": f"token {self.token}"}, trust_env=False, timeout=30
        ) as http:
            while not self._end.is_set():
                began = time.monotonic()
                try:
                    answer = http.post(self.url, json=self.body)
                except httpx.HTTPError as exc:
                    self.failures.append(repr(exc))
                    continue
                self.seconds.append(time.monotonic() - began)
                if answer.status_code != 200:
                    self.failures.append(f"{answer.status_code}: {answer.text[:200]}")


def kill_under_load(session: BrowserSession, name: str, rows: Sequence[Sequence[float]]) -> str:
    """SIGKILL for one replica while everybody asks; what was seen.

    Raises:
        Refused: a request failed, or the replica did not come back within a minute.
    """
    deployment = session.get(f"dllab/api/deployments/{name}")
    url = f"{session.address}{deployment['url']}v1/models/{name}:predict"
    victim = next(r for r in deployment["replicas"] if r["state"] == "READY")
    with Load(url, session.token(), {"instances": [list(row) for row in rows]}) as load:
        time.sleep(1.0)
        os.kill(victim["pid"], signal.SIGKILL)
        began = time.monotonic()
        while True:
            time.sleep(0.1)
            deployment = session.get(f"dllab/api/deployments/{name}")
            again = [r for r in deployment["replicas"] if r["state"] == "READY"]
            if len(again) == deployment["spec"]["replicas"] and victim["pid"] not in {
                r["pid"] for r in again
            }:
                break
            if time.monotonic() - began > 60:
                raise Refused(f"it did not come back: {deployment['reason']}")
        back = time.monotonic() - began
        time.sleep(1.0)
    if load.failures:
        raise Refused(f"{load}; the first: {load.failures[0]}")
    return f"{victim['name']} killed, back after {back:.1f} s; {load}"
