"""The packages that a lab gets on top of its image: pip, run as the person, with progress."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InvalidRequest, StorageFull, Unavailable

__all__ = ("install", "is_satisfied", "remember")

#: Seconds that pip has.
_PATIENCE = 1800.0
_ERROR = "ERROR: "
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
_UNKNOWN = "No matching distribution found for"


async def install(
    python: str,
    requirements: Sequence[str],
    say: Callable[[str], None],
    *,
    environ: Mapping[str, str],
    account: Mapping[str, Any],
    cwd: str,
) -> None:
    """Install into the overlay that ``python`` belongs to; what is satisfied costs pip's start.

    Cancelled, it ends pip and whatever that has started.

    Args:
        python: The overlay's interpreter.
        requirements: Read by `wishlist.read_requirements`: names and versions, no options.
        say: Gets a sentence for people whenever there is news.
        environ: Variables of pip.
        account: Popen's ``user``, ``group`` and ``extra_groups``.
        cwd: Directory to run in.

    Raises:
        InvalidRequest: a package does not exist or does not fit; with pip's reason.
        StorageFull: the disk is full.
        Unavailable: pip could not do it for another reason, which is in the message.
    """
    pip = (python, "-I", "-m", "pip", "--no-input", "--disable-pip-version-check")
    process = await asyncio.create_subprocess_exec(
        *(*pip, "install", "--progress-bar", "off", "--no-color", "--", *requirements),
        env={**environ, "PYTHONUNBUFFERED": "1"},
        cwd=cwd,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
        **account,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            _, errors = await asyncio.gather(_follow(process.stdout, say), _errors(process.stderr))
            code = await process.wait()
    except TimeoutError:
        raise Unavailable(
            f"the packages were not installed within {_PATIENCE / 60:.0f} minutes.",
            hint="Start without some of them and install them in the lab.",
            field="requirements",
        ) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # Its own session: all that it started.
            await asyncio.shield(process.wait())
    if code:
        raise _problem(errors)


def is_satisfied(mark: Path, python: Path, requirements: Sequence[str]) -> bool:
    """Whether the overlay has got this list, and nothing was done to it since; no more than a stat.

    Args:
        mark: File of `remember`.
        python: The overlay's interpreter.
        requirements: The list.
    """
    try:
        return mark.read_text() == _state(python, requirements)
    except OSError:
        return False


def remember(mark: Path, python: Path, requirements: Sequence[str]) -> None:
    """Note that the overlay has got this list."""
    mark.write_text(_state(python, requirements))


def _state(python: Path, requirements: Sequence[str]) -> str:
    """Changes with the list, the overlay, and whatever is installed or taken away in it."""
    seen = [str(python), *requirements]
    for site in sorted(python.parents[1].glob("lib/python*/site-packages")):
        about = site.stat()
        seen += [str(about.st_ino), str(about.st_mtime_ns)]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


async def _follow(stream: asyncio.StreamReader | None, say: Callable[[str], None]) -> None:
    assert stream is not None
    async for raw in stream:
        words = raw.decode(errors="replace").split()
        if words[:1] in (["Collecting"], ["Processing"]) and len(words) > 1:
            say(f"Looking up {words[1].rsplit('/', 1)[-1]}")
        elif words[:1] == ["Downloading"] and len(words) > 1:
            size = " ".join(words[2:]).strip("()")
            say(f"Downloading {words[1].rsplit('/', 1)[-1]}{f', {size}' if size else ''}")
        elif words[:2] == ["Installing", "collected"]:
            count = len(words) - 3
            say(f"Installing {count} {'package' if count == 1 else 'packages'}")
        elif words[:1] == ["Building"]:
            say(" ".join(words)[:100])


async def _errors(stream: asyncio.StreamReader | None) -> list[str]:
    assert stream is not None
    lines: list[str] = []
    async for raw in stream:
        lines.append(raw.decode(errors="replace").strip())
        del lines[:-200]
    return lines


def _problem(lines: Sequence[str]) -> InvalidRequest | StorageFull | Unavailable:
    said = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    why = (said or [line for line in lines if line] or ["it gave no reason"])[-1][:300].rstrip(".")
    if any(sign in line for line in lines for sign in _NO_ROOM):
        return StorageFull(
            "the disk is full: the packages cannot be installed.",
            hint="Delete what is not needed, then try again.",
            field="requirements",
        )
    kind = InvalidRequest if _UNKNOWN in why or "conflict" in why else Unavailable
    return kind(
        f"the packages cannot be installed: {why}.",
        hint="Change the list, or start without it and use %pip install.",
        field="requirements",
    )
