"""Commands that share a lab: ``dllab lab export`` and ``dllab lab link``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .. import sharing
from ..errors import InvalidRequest

__all__ = ("lab_export", "lab_link", "read_shared")


def lab_export(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab lab export > lab.json``."""
    print(_of_this_lab().to_text(), end="")
    return 0


def lab_link(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab lab link`` or ``dllab lab link lab.json --hub https://hub.example``."""
    shared = _of_this_lab() if options.file is None else read_shared(options.file)
    print(sharing.link(shared, options.hub or _hub()))
    return 0


def read_shared(file: str) -> sharing.SharedLab:
    """A file of `dllab lab export`; ``-`` is standard input.

    Raises:
        InvalidRequest: it cannot be read, or is no such file.
    """
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{file} is not UTF-8 text.") from None
    except OSError as exc:
        raise InvalidRequest(f"{file} cannot be read: {exc.strerror}.") from None
    return sharing.SharedLab.from_text(text)


def _of_this_lab() -> sharing.SharedLab:
    shared, left = sharing.of_this_lab(os.environ)
    if left:
        which = "it is" if len(left) == 1 else "they are"
        print(
            f"dllab: left out, because {which} not from the package index: {', '.join(left)}",
            file=sys.stderr,
        )
    return shared


def _hub() -> str:
    """The hub's public address where it says so, else its path."""
    public = os.environ.get("JUPYTERHUB_PUBLIC_HUB_URL")
    return public or os.environ.get("JUPYTERHUB_BASE_URL", "/") + "hub/"
