"""The ``dllab`` command.

Commands that talk to the lab find it through ``DLLAB_API_URL``, which every terminal of a lab has.
What goes wrong is one line on stderr; exit code 1, or 2 when the command line itself is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Only what `--version` needs: it answers in the time Python itself takes to start.
from .._version import __version__

__all__ = ("main",)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code.

    Args:
        argv: Words after ``dllab``; those of the process without it.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words in (["--version"], ["-V"]):
        print(f"dllab-hub {__version__}")
        return 0
    if words[:1] == ["ssh-proxy"]:
        from .tunnel import run as carry

        return carry(words[1:])
    from .commands import run

    return run(words)
