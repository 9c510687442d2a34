"""`measure`: a closed loop of wrk against an address, and what it cost the processes behind it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ("MISSING", "Figures", "cpu", "measure", "missing")

MISSING = "wrk is not installed: apt-get install wrk (Debian, Ubuntu), or brew install wrk"
#: Says what wrk itself prints for people only.
_SCRIPT = """
wrk.method = "POST"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format(
    '\\n{{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "failed": %d}}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Figures:
    """Of one run.

    Attributes:
        rate: Requests per second.
        p50: Milliseconds.
        p99: Milliseconds.
        cpu: Microseconds that the processes computed for a request.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


def missing() -> str:
    """Why nothing can be measured; empty when it can."""
    return "" if shutil.which("wrk") else MISSING


def measure(
    url: str,
    body: bytes,
    connections: int,
    seconds: float,
    pids: Callable[[], Sequence[int]],
    folder: Path,
    headers: Mapping[str, str] | None = None,
) -> Figures:
    """Ask without a pause.

    Args:
        url: Who is asked.
        body: Of each request, JSON.
        connections: That ask at the same time.
        seconds: Rounded up to whole ones.
        pids: The processes whose work is counted; asked before and after.
        folder: For wrk's script.
        headers: More than the content type.

    Raises:
        RuntimeError: requests failed, or wrk did.
    """
    (folder / "wrk.body").write_bytes(body)
    named = {"Content-Type": "application/json", **(headers or {})}
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in named.items())
    script = folder / "wrk.lua"
    script.write_text(_SCRIPT.format(body=folder / "wrk.body", headers=lines))
    before = cpu(pids())
    done = subprocess.run(
        [
            "wrk", "-t", "1", "-c", str(connections), "-d", f"{max(round(seconds), 1)}s",
            "--timeout", "30s", "-s", script, url,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    used = cpu(pids()) - before
    if done.returncode:
        raise RuntimeError(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["failed"] or not found["requests"]:
        raise RuntimeError(f"{found['failed']} of {found['requests']} requests to {url} failed")
    return Figures(
        rate=found["requests"] / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        cpu=used / found["requests"] * 1e6,
    )


def cpu(pids: Sequence[int]) -> float:
    """Seconds that these processes have computed; one that has just ended counts no more."""
    total = 0.0
    for pid in pids:
        try:
            total += sum(psutil.Process(pid).cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return total


def free_cores(seconds: float = 2.0) -> float:
    """How many cores nobody computes on, right now."""
    idle = psutil.cpu_times_percent(interval=None)
    time.sleep(seconds)
    idle = psutil.cpu_times_percent(interval=None)
    return float(idle.idle) / 100 * (psutil.cpu_count() or 1)
