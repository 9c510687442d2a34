"""Options about who may ask a deployment, the same in the terminal and in a notebook."""

from __future__ import annotations

import argparse

from ..errors import InvalidRequest
from ..specs import Callers, KeyWish
from .words import seconds

__all__ = ("add_callers", "add_key", "callers_of", "key_of")


def add_callers(parser: argparse.ArgumentParser) -> None:
    """``--owner``, ``--group`` and ``--everyone``; at most one kind of them."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--owner", action="store_true", help="nobody else but you may ask it")
    kind.add_argument(
        "--group", action="append", metavar="G", help="who is in this group of the hub; repeatable"
    )
    kind.add_argument("--everyone", action="store_true", help="everyone in the hub may ask it")


def callers_of(options: argparse.Namespace) -> Callers | None:
    """What the options say; None: nothing.

    Raises:
        InvalidRequest: what is said is the name of no group.
    """
    if options.group:
        try:
            return Callers(who="groups", groups=tuple(options.group))
        except InvalidRequest as exc:
            raise InvalidRequest(exc.message, hint=exc.hint, field="--group") from None
    if options.everyone:
        return Callers(who="everyone")
    return Callers() if options.owner else None


def add_key(parser: argparse.ArgumentParser) -> None:
    """``--new`` with ``--for``, and ``--revoke``."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--new", metavar="TITLE", help="make a key; the title says what it is for")
    kind.add_argument("--revoke", metavar="ID", help="have a key open nothing any more")
    parser.add_argument(
        "--for", dest="lifetime", type=seconds, metavar="30d", help="with --new: it expires then"
    )


def key_of(options: argparse.Namespace) -> KeyWish | None:
    """The key that is wished for; None: none is.

    Raises:
        InvalidRequest: it cannot be made, or ``--for`` stands alone.
    """
    if options.new is None:
        if options.lifetime is not None:
            raise InvalidRequest("goes with --new.", field="--for")
        return None
    try:
        return KeyWish(title=options.new, lifetime=options.lifetime or None)
    except InvalidRequest as exc:
        field = {"title": "--new", "lifetime": "--for"}[exc.field]
        raise InvalidRequest(exc.message, hint=exc.hint, field=field) from None
