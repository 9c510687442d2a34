"""``dllab up`` as a child process: `UpProcess`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from browser_session import Refused

__all__ = ("UpProcess",)


class UpProcess:
    """``dllab up`` as a child, as a person would type it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "tour-up.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, str] = {}

    def start(self, timeout: float = 1200) -> None:
        """Start and wait for the printed address; an image build may take minutes."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    Path(sys.executable).with_name("dllab"),
                    *("up", "--port", "0", "--home", str(self.home), "--no-browser"),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            text = self.log.read_text()
            for word in ("address", "user", "password"):
                if found := re.search(rf"^\s*{word}\S*\s+(\S+)\s*$", text, re.M | re.I):
                    self.facts[word] = found[1]
            if len(self.facts) == 3:
                return
            if self.process.poll() is not None:
                raise Refused(f"dllab up ended with {self.process.returncode}:\n{text[-2000:]}")
            time.sleep(0.1)
        raise Refused(f"no address after {timeout:.0f} s:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> float:
        """Ctrl-C; seconds until it was gone."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
        return time.monotonic() - began

    def left_over(self) -> list[str]:
        """Command lines of processes that still have this state directory in their environment."""
        marker = f"DLLAB_HOME={self.home}\0".encode()
        found = []
        for proc in Path("/proc").iterdir():
            if not proc.name.isdigit() or int(proc.name) == os.getpid():
                continue
            try:
                if marker in (proc / "environ").read_bytes() + b"\0":
                    line = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if line:  # A zombie has none.
                        found.append(f"{proc.name} {line[:120]}")
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue
        return found
