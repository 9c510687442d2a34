"""``dllab ssh-proxy``: carries ssh's connection to a lab. Imports little: ssh waits for it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import ssh
from ..errors import DLLabError

__all__ = ("run",)


def run(words: Sequence[str]) -> int:
    """Carry one connection to its end; returns the exit code. A problem is one line on stderr."""
    parser = argparse.ArgumentParser(prog="dllab ssh-proxy", description=__doc__)
    parser.add_argument("url", metavar="URL", help="of the lab")
    parser.add_argument("--host", metavar="NAME", required=True, help="what ssh calls it")
    parser.add_argument("--files", metavar="DIR", required=True, help="where ssh-config put them")
    options = parser.parse_args(words)
    if sys.platform == "win32":
        import msvcrt

        for fd in (0, 1):
            msvcrt.setmode(fd, os.O_BINARY)
    try:
        url = ssh.lab_url(options.url)
        files = Path(options.files)
        token = ssh.read_token(files / "token")
        way = ssh.door(url, token)
        # ssh looks at the keys only after the first bytes have come.
        ssh.write(files / "known_hosts", ssh.known_hosts(way, options.host))
        ssh.carry(way, url, token)
    except DLLabError as exc:
        print(f"dllab: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0
