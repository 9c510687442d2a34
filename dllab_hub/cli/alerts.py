"""Commands about alerts: what is wrong, silence, and the rules for Prometheus."""

from __future__ import annotations

import argparse
import sys
import time

from ..client import Client
from ..errors import AccessDenied, NotFound
from ..leases import LeaseDir
from ..metrics.alert_settings import alert_settings
from ..metrics.rulefile import rule_file
from ..specs import AlertList
from ..tables import alerts_text
from .jobs import show
from .machine import state_dir

__all__ = ("alerts", "give_back", "rules", "silence")


def alerts(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab alerts``."""
    seen = Client().alerts()
    show(options, seen, alerts_text(seen, time.time()))
    return 0


def silence(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab alerts silence ID --minutes 30``; ``--end`` ends it."""
    client = Client()
    alert = client.speak(options.id) if options.end else client.silence(options.id, options.minutes)
    print(alerts_text(AlertList(alerts=(alert,)), time.time()))
    return 0


def give_back(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab alerts give-back UUID``: on the machine itself, for who may write the lab's files."""
    leases = LeaseDir(state_dir(options.home).leases)
    try:
        # Else looking would make the directory, as whoever looks.
        if not leases.path.is_dir() or options.uuid not in leases.withdrawn():
            raise NotFound(
                f"{options.uuid} is not out of use here.",
                hint="`dllab gpus --json` shows what is; --home says where the lab keeps it.",
            )
        leases.give_back(options.uuid)
    except PermissionError as exc:
        raise AccessDenied(
            f"{exc.filename} cannot be changed.", hint="Ask as the account of the lab service."
        ) from exc
    print(f"{options.uuid} is lent again.")
    return 0


def rules(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab alerts rules``: a file of rules for Prometheus, with this machine's thresholds."""
    state = state_dir(options.home)
    print(rule_file(alert_settings(state).rules), end="")
    catalog = state.root / "catalog.toml"
    where = f"Read from {catalog}." if catalog.exists() else f"The defaults: there is no {catalog}."
    print(where, file=sys.stderr)  # The rules themselves are made into a file.
    return 0
