"""`Person`: somebody at their own machine, with OpenSSH, a key, and the `dllab` command."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ("Person",)


@dataclass
class Person:
    """Their files lie below ``home``; nothing of this machine's account is used."""

    home: Path
    alias: str = ""

    @classmethod
    def at(cls, home: Path) -> Person:
        """A new person with a key."""
        (home / ".ssh").mkdir(mode=0o700, parents=True)
        key = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / ".ssh/key"))
        subprocess.run(key, check=True, stdin=subprocess.DEVNULL)
        return cls(home)

    @property
    def public_key(self) -> str:
        """For the form."""
        return (self.home / ".ssh/key.pub").read_text()

    @property
    def config(self) -> Path:
        """Their ``~/.ssh/config``."""
        return self.home / ".ssh/config"

    def dllab(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run the command as they do; ``said`` is what they type."""
        return subprocess.run(
            [sys.executable, "-m", "dllab_hub.cli", *words],
            env=self._environ(),
            cwd=self.home,
            input=said,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def learn(self, url: str, token: str, *more: str) -> str:
        """`dllab ssh-config URL >> ~/.ssh/config`; what it said beside the lines."""
        key = str(self.home / ".ssh/key")
        done = self.dllab("ssh-config", url, "--identity", key, *more, said=f"{token}\n")
        assert done.returncode == 0, done.stderr
        with self.config.open("a") as file:
            file.write(done.stdout)
        self.alias = done.stdout.split()[1]
        return done.stderr

    def run(self, *argv: str, timeout: float = 90, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a program of OpenSSH, or one that uses it, with their configuration."""
        program, *rest = argv
        words = [program, "-e", f"ssh -F {self.config}", *rest]
        if program != "rsync":
            words = [program, "-F", str(self.config), "-o", "BatchMode=yes", *rest]
        return subprocess.run(
            words,
            env=self._environ(),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            **more,
        )

    def ssh(self, command: str, *options: str) -> str:
        """What a command in the lab prints."""
        done = self.run("ssh", *options, self.alias, command, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *options: str, command: str = "") -> subprocess.Popen[str]:
        """`ssh` that stays."""
        argv = ["ssh", "-F", str(self.config), "-o", "BatchMode=yes", *options, self.alias]
        argv += [command] if command else []
        return subprocess.Popen(
            argv,
            env=self._environ(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _environ(self) -> dict[str, str]:
        known = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LANG")}
        return {**known, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / ".config")}
