"""`environment`: a virtual environment of somebody else's program, made when it is first needed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

__all__ = ("PEERS", "environment")

PEERS = Path(__file__).parents[2] / ".make" / "peers"


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with these packages; made when it is not there.

    Args:
        name: Of its directory. Other packages than it was made of make it anew.
        requirements: As pip takes them.

    Raises:
        RuntimeError: the packages could not be installed; the last words of pip are in it.
    """
    folder, wanted = PEERS / name, "\n".join(requirements)
    python, ready = folder / "bin" / "python", folder / "ready"
    PEERS.mkdir(parents=True, exist_ok=True)
    with (PEERS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two runs at once make it once.
        if ready.exists() and ready.read_text() == wanted:
            return python
        print(f"    making an environment with {', '.join(requirements)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        command = [python, "-m", "pip", "install", "--quiet", *requirements]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()[-5:]
            raise RuntimeError(f"pip could not make {name}: {' '.join(said)}")
        ready.write_text(wanted)
    return python
