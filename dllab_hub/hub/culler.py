"""The stock jupyterhub-idle-culler with each lab's own limit: ``python -m dllab_hub.hub.culler``.

A service of the hub. It takes the culler's own options; ``--timeout`` counts for labs that do not
say what their limit is, in seconds, 0 for none. The scopes that it needs are ``list:users``,
``read:users:activity``, ``read:servers``, ``delete:servers`` and ``admin:server_state``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from traitlets.config import Config

__all__ = ("is_over", "main")

_PR_SET_PDEATHSIG = 1
#: Seconds between two looks at all labs.
_EVERY = 30


def is_over(
    *, inactive: timedelta, inactive_limit: float, server: Mapping[str, Any], **_: Any
) -> bool:
    """Whether a lab has not been used for as long as it may.

    Args:
        inactive: Since its last use.
        inactive_limit: Seconds, for a lab without a limit of its own; 0 for none.
        server: The hub's model of it. The spawner notes the limit, in minutes, in its ``state``.
    """
    state = server.get("state") or {}
    minutes = state.get("idle")
    limit = inactive_limit if minutes is None else 60 * minutes
    return 0 < limit <= inactive.total_seconds()


def main() -> None:
    """Look at all labs again and again, until the hub ends."""
    from jupyterhub_idle_culler import IdleCuller  # type: ignore[import-untyped]

    _end_with_parent()
    config = Config()
    config.IdleCuller.cull_arbiter_hook = is_over
    config.IdleCuller.timeout = 0
    config.IdleCuller.cull_every = _EVERY
    IdleCuller.launch_instance(config=config)


def _end_with_parent() -> None:
    """The hub takes this process along, however it ends. Linux only."""
    if sys.platform == "linux":
        parent = os.getppid()
        libc: Any = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(0)  # It ended before the line above.


if __name__ == "__main__":
    main()
