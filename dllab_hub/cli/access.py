"""Commands about who may ask a deployment: ``access``, ``keys``, ``endpoints``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable

from ..client import Client
from ..submission import Words, add_callers, add_key, callers_of, key_of
from ..tables import access_text, endpoints_text, new_key_text

__all__ = ("access", "add", "endpoints", "keys")


def add(command: Callable[..., Words]) -> None:
    """Their options."""
    opened = command("access", access, "show or set who may ask a deployment of yours")
    opened.add_argument("name", metavar="NAME", help="of the deployment")
    add_callers(opened)
    opened.add_argument("--json", action="store_true")

    keyed = command("keys", keys, "keys to a deployment, for programs outside the hub")
    keyed.add_argument("name", metavar="NAME", help="of the deployment")
    add_key(keyed)
    keyed.add_argument("--json", action="store_true")

    listed = command("endpoints", endpoints, "list the deployments that you may ask")
    listed.add_argument("--json", action="store_true")


def access(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab access digits --group vision``."""
    client, callers = Client(), callers_of(options)
    known = (
        client.access(options.name) if callers is None else client.open_to(options.name, callers)
    )
    _print(options, known.to_wire(), access_text(options.name, known))
    return 0


def keys(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab keys digits --new "the web shop" --for 30d``."""
    client, wish = Client(), key_of(options)
    if wish is not None:
        url = client.deployment(options.name).url  # Before: the key is told only once.
        made = client.make_key(options.name, wish.title, wish.lifetime)
        _print(options, made.to_wire(), new_key_text(options.name, made, url))
        return 0
    if options.revoke is not None:
        client.revoke_key(options.name, options.revoke)
        print(f"the key {options.revoke} opens nothing any more", file=sys.stderr)
    known = client.access(options.name)
    _print(options, known.to_wire(), access_text(options.name, known))
    return 0


def endpoints(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab endpoints``."""
    found = Client().all_endpoints()
    _print(options, [each.to_wire() for each in found], endpoints_text(found))
    return 0


def _print(options: argparse.Namespace, wire: object, text: str) -> None:
    print(json.dumps(wire, indent=2) if options.json else text)
