"""The ranks of a training as processes of this machine, in torchrun's environment."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

import dllab_hub

__all__ = ("Ended", "run_ranks")


@dataclass(frozen=True)
class Ended:
    """What became of all ranks: codes, and what they printed, by rank."""

    codes: list[int]
    out: list[str]
    err: list[str]


def run_ranks(python: str, script: str, ranks: int, *args: str, timeout: float = 150) -> Ended:
    """Run a script as so many ranks, each with one thread, to their ends."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    processes = [
        subprocess.Popen(
            [python, "-c", script, *args],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(dllab_hub.__file__).parents[1]),
                "RANK": str(rank),
                "WORLD_SIZE": str(ranks),
                "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": str(ranks),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "GLOO_SOCKET_IFNAME": "lo",
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    try:
        said = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    codes = [process.returncode for process in processes]
    return Ended(codes, [out for out, _ in said], [err for _, err in said])
