"""`commit_of`: the commit that a submitted directory is at."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import InvalidRequest
from ..specs import GitCommit

__all__ = ("commit_of", "without_secrets")

#: Seconds for each of the two things that git is asked.
_LIMIT = 1.0
#: Of a name and of an address: as of `GitCommit`.
_BRANCH, _REMOTE = 255, 500
#: No hook and no monitor of the repository is run, and nothing is written.
_CALM = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "--no-optional-locks")


def commit_of(directory: Path) -> GitCommit | None:
    """The commit, or None where there is no git, no repository, no commit, or no answer in time.

    Args:
        directory: That holds the code.
    """
    git = shutil.which("git")
    if git is None or not directory.is_dir():
        return None
    if not any((folder / ".git").exists() for folder in (directory, *directory.resolve().parents)):
        return None  # Most directories: no process for them.
    command = [git, *_CALM, "-C", str(directory)]
    try:
        status = _say([*command, "status", "--porcelain=v2", "--branch", "-uno"])
        facts = dict(
            line.removeprefix("# branch.").split(" ", 1)
            for line in status.splitlines()
            if line.startswith("# branch.") and line.count(" ") >= 2
        )
        dirty = any(line and not line.startswith("#") for line in status.splitlines())
        remote = _say([*command, "config", "--get", "remote.origin.url"], fails=True).strip()
        head = facts.get("head", "")
        return GitCommit(
            commit=facts.get("oid", ""),
            branch="" if head == "(detached)" else head[:_BRANCH],
            dirty=dirty,
            remote=without_secrets(remote)[:_REMOTE],
        )
    except (OSError, subprocess.SubprocessError, InvalidRequest):
        # A repository of somebody else, one without a commit, a disk that is slow: the job goes
        # without it, as it would from a directory that is no repository.
        return None


def without_secrets(remote: str) -> str:
    """An address of a repository without user name, password, query and fragment.

    >>> without_secrets("https://ada:token@git.example.org/ada/net.git?key=1")
    'https://git.example.org/ada/net.git'
    >>> without_secrets("git@git.example.org:ada/net.git")
    'git.example.org:ada/net.git'
    """
    try:
        parts = urlsplit(remote)
    except ValueError:
        return ""
    if parts.scheme and parts.netloc:
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    if "://" in remote:
        return ""
    before, colon, path = remote.partition(":")
    return f"{before.rpartition('@')[2]}{colon}{path}"


def _say(command: list[str], *, fails: bool = False) -> str:
    """What it prints.

    Raises:
        subprocess.SubprocessError: it fails, unless it may, or takes too long.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LIMIT,
        check=not fails,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
    )
    return done.stdout.decode("utf-8", "replace")
