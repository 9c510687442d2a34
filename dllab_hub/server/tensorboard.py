"""TensorBoard at ``{base_url}tensorboard/``: what jupyter-server-proxy asks for at its start."""

from __future__ import annotations

import getpass
import os
import re
import sys
from pathlib import Path
from typing import Any

from jupyter_server.utils import url_path_join

from ..names import slug
from ..state import StateDir

__all__ = ("PORTS", "logdir", "port_routes", "setup")

#: Below it, by port, is what `%tensorboard` has started.
PORTS = "dllab/tensorboard/"

#: Seconds. A busy machine needs far longer than the usual 3 s to import TensorBoard.
_START_TIMEOUT = 90.0


def logdir() -> Path:
    """Where the event files of this person's jobs are, a directory for each job.

    ``DLLAB_TENSORBOARD_LOGDIR`` when the hub has set it, else the place of the account.
    """
    named = os.environ.get("DLLAB_TENSORBOARD_LOGDIR")
    if named:
        return Path(named)
    return StateDir.default().tensorboard / slug(getpass.getuser())


def setup() -> dict[str, Any]:
    """The server named ``tensorboard`` in jupyter-server-proxy's terms (its entry point)."""
    command = [sys.executable, "-m", "dllab_hub.server.board", "--logdir", str(logdir())]
    idle = os.environ.get("DLLAB_TENSORBOARD_IDLE")
    if idle:
        command += ["--idle", idle]
    return {
        # The proxy fills in braces, and a path may have some of its own.
        "command": [part.replace("{", "{{").replace("}", "}}") for part in command]
        + ["--socket", "{unix_socket}"],
        # No port: on a shared machine any account could connect to one. The socket lies in a
        # directory of mode 0700.
        "unix_socket": True,
        "timeout": _START_TIMEOUT,
        "absolute_url": False,
        # A page left open must not keep an idle lab from being stopped.
        "update_last_activity": False,
        "new_browser_tab": False,
        # Our own front end has a tile for it, beside those of training and serving.
        "launcher_entry": {"enabled": False},
    }


def port_routes(base_url: str) -> list[tuple[str, Any, dict[str, Any]]]:
    """Where the ``%tensorboard`` of a notebook shows its own TensorBoard.

    As jupyter-server-proxy's ``proxy/<port>/``, except that looking at it is no activity.
    """
    from jupyter_server_proxy.handlers import LocalProxyHandler

    pattern = re.escape(url_path_join(base_url, PORTS)) + r"(\d+)(/.*|)"
    return [(pattern, LocalProxyHandler, {"absolute_url": False, "update_last_activity": False})]
