"""A lab's overlay in a job: what was installed in the lab, kept as it was when the job started.

The overlay is a virtual environment (see ``images/overlay.py``). The job gets a copy of it made of
hard links: pip replaces files and does not write into them, so what is installed in the lab later
changes nothing here. What names its own place, or may be written in place, is copied instead.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ("link_overlay",)

#: Written in place by one program or another; links of files written so would be the lab's too.
_COPIED = (".egg-link", "/pyvenv.cfg", "/.dllab-overlay.json")
#: Longer first lines are not understood by every kernel.
_LONGEST_SHEBANG = 120
#: Bytes of a script that can hold the lines that start it.
_HEAD = 4096
#: How often it is begun anew while packages are being installed in the lab.
_ROUNDS = 5


def link_overlay(plan: Mapping[str, Any], run: Path) -> str:
    """Make the lab's overlay the job's own; nothing to do when it is there from before.

    Args:
        plan: Of the job; its ``overlay`` says ``from`` and ``to``, or is None.
        run: Directory of the job's run.

    Returns:
        What keeps the job from starting, as a sentence; empty when it may.
    """
    overlay = plan.get("overlay")
    if not overlay:
        return ""
    source, target = Path(overlay["from"]), run / overlay["to"]
    if target.is_dir():
        return ""
    partial = target.with_name(f".{target.name}.tmp")
    try:
        for _ in range(_ROUNDS):
            shutil.rmtree(partial, ignore_errors=True)
            try:
                _link_tree(source, partial, target)
                partial.rename(target)
            except FileNotFoundError:  # Something is being installed or removed there.
                if not source.is_dir():
                    break
            else:
                return ""
    except OSError as exc:
        shutil.rmtree(partial, ignore_errors=True)
        return f"what is installed in your lab cannot be taken along: {exc.strerror or exc}."
    shutil.rmtree(partial, ignore_errors=True)
    if source.is_dir():
        return "packages are being installed in your lab: start the job again when that is done."
    return "what was installed in your lab is gone: start the lab again, or the job without it."


def _link_tree(source: Path, partial: Path, target: Path) -> None:
    partial.mkdir(mode=0o700)
    for entry, path in _entries(source, ""):
        made = partial / path
        if entry.is_symlink():
            there = os.readlink(entry.path)
            inside = there.startswith(f"{source}/")
            made.symlink_to(f"{target}{there.removeprefix(str(source))}" if inside else there)
        elif entry.is_dir():
            made.mkdir(mode=0o700)
        elif not entry.is_file():
            continue  # A pipe or a socket is nothing that was installed.
        elif path.startswith("bin/") or path.endswith(".pth"):
            _rewrite(Path(entry.path), made, source, target)
        elif f"/{path}".endswith(_COPIED):
            shutil.copy2(entry.path, made)
        else:
            _link(entry.path, made)


def _entries(folder: Path, path: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Everything below a directory, each directory before what is in it."""
    for entry in list(os.scandir(folder)):
        yield entry, f"{path}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), f"{path}{entry.name}/")


def _link(source: str, made: Path) -> None:
    try:
        os.link(source, made)
    except FileNotFoundError:
        raise
    except OSError:  # Another file system, or somebody else's file.
        shutil.copy2(source, made)


def _rewrite(source: Path, made: Path, old: Path, new: Path) -> None:
    """Copy what may name the place where it lies, with the new one."""
    data = source.read_bytes()
    was, now = os.fsencode(old), os.fsencode(new)
    if source.suffix == ".pth":
        data = data.replace(was + b"/", now + b"/")
    elif data.startswith(b"#!"):
        data = _restart(data, was, now)
    made.write_bytes(data)
    made.chmod(stat.S_IMODE(source.stat().st_mode) | stat.S_IWUSR)


def _restart(script: bytes, was: bytes, now: bytes) -> bytes:
    """A script that starts with the interpreter at its new place."""
    head, rest = script[:_HEAD], script[_HEAD:]
    first, _, lines = head.partition(b"\n")
    if first == b"#!/bin/sh" and lines.startswith(b"'''exec' "):  # What pip writes for long paths.
        return head.replace(was + b"/bin/", now + b"/bin/", 1) + rest
    interpreter, _, options = first[2:].strip().partition(b" ")
    if not interpreter.startswith(was + b"/bin/"):
        return script
    interpreter = now + interpreter[len(was) :]
    if len(interpreter) <= _LONGEST_SHEBANG and b" " not in now:
        return b"#!" + b" ".join(filter(None, (interpreter, options))) + b"\n" + lines + rest
    return b"#!/bin/sh\n'''exec' \"" + interpreter + b'" "$0" "$@"\n\' \'\'\'\n' + lines + rest
