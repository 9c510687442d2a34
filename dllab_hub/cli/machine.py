"""Commands about this machine: up, doctor."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..state import StateDir
from .doctor import examine

__all__ = ("doctor", "state_dir", "up")


def up(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab up``: runs until it is interrupted."""
    from ..up import up as start

    return start(
        port=options.port,
        home=None if options.home is None else Path(options.home).absolute(),
        os_users=options.os_users,
        browser=not options.no_browser,
    )


def doctor(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab doctor``; exit code 1 when something that is needed is missing."""
    findings = examine(state_dir(options.home))
    if options.json:
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.verdict:7} {finding.what}: {finding.seen}")
            if finding.fix:
                print(f"        -> {finding.fix}")
    return int(any(finding.verdict == "missing" for finding in findings))


def state_dir(home: str | None) -> StateDir:
    """The state below ``--home``, or where it is by default."""
    return StateDir.default() if home is None else StateDir.at(Path(home))
