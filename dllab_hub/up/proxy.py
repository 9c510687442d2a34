"""JupyterHub's proxy, configurable-http-proxy: found on this machine or fetched with npm."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from ..errors import Unavailable
from ..state import StateDir

__all__ = ("proxy_command",)

_NODE = 20
_PROXY = 5
_NAME = "configurable-http-proxy"


def proxy_command(state: StateDir, say: Callable[[str], None]) -> list[str]:
    """The command that starts the proxy; installs it beside the image environments when missing.

    Args:
        state: Its ``envs`` is where the proxy is put.
        say: Gets a line before anything is downloaded.

    Raises:
        Unavailable: Node.js or npm is missing, too old, or npm has failed.
    """
    node = shutil.which("node")
    if node is None:
        raise Unavailable(
            "Node.js is not installed, and JupyterHub's proxy needs it.",
            hint=f"Install Node.js {_NODE} or newer with npm, and run the command again.",
        )
    version = _version([node, "--version"])
    if version < _NODE:
        raise Unavailable(
            f"Node.js {_NODE} or newer is needed; {node} is version {version}.",
            hint="Install a newer one, and run the command again.",
        )
    home = state.envs / _NAME
    # Through node itself: the script's first line looks for node on a PATH that may have none.
    script = home / "node_modules" / _NAME / "bin" / _NAME
    if script.is_file():
        return [node, str(script)]
    installed = shutil.which(_NAME)
    if installed and _version([installed, "--version"]) >= _PROXY:
        return [installed]
    _install(home, say)
    return [node, str(script)]


def _install(home: Path, say: Callable[[str], None]) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Unavailable(
            "npm is not installed, and JupyterHub's proxy is fetched with it.",
            hint="Install npm, and run the command again.",
        )
    say("JupyterHub's proxy: about 3 MB to download, about 9 MB on disk")
    partial = home.with_name(home.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    done = subprocess.run(
        [npm, "install", "--prefix", str(partial), *quiet, f"{_NAME}@^{_PROXY}"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        umask=0o022,
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no reason given"]
        shutil.rmtree(partial, ignore_errors=True)
        raise Unavailable(
            f"npm could not install {_NAME}: {lines[0].strip()}",
            hint="Check the network, and run the command again.",
        )
    shutil.rmtree(home, ignore_errors=True)
    partial.rename(home)


def _version(argv: list[str]) -> int:
    """First number that the program says about itself; 0 when it says none."""
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\d+", said)
    return int(found[0]) if found else 0
