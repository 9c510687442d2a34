"""Commands about image environments: ``dllab env build|list|remove|adopt``."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable

from .. import images
from ..errors import Conflict, InvalidRequest
from ..sharing import adopt
from ..state import StateDir
from ..tables import columns
from .share import read_shared

__all__ = ("env_adopt", "env_build", "env_list", "env_remove")

_BAR = 24


def env_build(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab env build pytorch jax``."""
    state = StateDir.default()
    for name in options.name:
        images.named(state, name)  # A typing error ends it before the first hour of building.
    for name in options.name:
        _build(state, name)
    return 0


def env_list(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab env list``."""
    found = images.find(StateDir.default())
    if options.json:
        rows = [{**e.image.to_wire(), "path": str(e.path), "ready": e.ready} for e in found]
        print(json.dumps(rows, indent=2))
        return 0
    table = [("IMAGE", "TITLE", "STATE")]
    for env in found:
        says = {
            "ready": "built",
            "building": f"being built, {env.image.progress}",
            "missing": f"not built: dllab env build {env.image.name}",
        }
        table.append((env.image.name, env.image.title, says[env.image.state]))
    print(columns(table))
    return 0


def env_remove(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab env remove jax``."""
    state = StateDir.default()
    for name in options.name:
        used = images.users(state, name)
        if used and not options.force:
            more = f" and {len(used) - 1} more" if len(used) > 1 else ""
            raise Conflict(
                f"{name} is in use by {used[0]}{more}.",
                hint="Stop them first, or end what runs in it with --force.",
            )
        if not options.yes and not _agrees(f"Remove the environment of {name}?"):
            print(f"{name} stays")
            return 1
        count = images.remove(state, name, print)
        print(f"{name}: removed" if count else f"{name}: it was not built")
    return 0


def env_adopt(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab env adopt lab.json --name ours``."""
    shared = read_shared(options.file)
    env = adopt(StateDir.default(), shared, options.name, options.title)
    print(f"the image {env.image.name} lies in {env.source}")
    if options.no_build:
        print(f"build it: dllab env build {env.image.name}")
        return 0
    _build(StateDir.default(), options.name)
    return 0


def _build(state: StateDir, name: str) -> None:
    if not sys.stdout.isatty():
        images.build(state, name, _plainly)
        return
    bar = _Bar(images.named(state, name).image.title)
    try:
        images.build(state, name, bar.say, bar.show)
    finally:
        bar.clear()


def _plainly(line: str) -> None:
    print(line, flush=True)


def _agrees(question: str) -> bool:
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        raise InvalidRequest("nobody can be asked here.", hint="Add --yes.") from None
    return answer.strip().lower() in ("y", "yes")


class _Bar:
    """One line at the bottom of the terminal; what is said in between stands above it."""

    def __init__(self, title: str, write: Callable[[str], object] | None = None) -> None:
        self._title = title
        self._write = write or _to_terminal
        self._drawn = 0.0
        self._step: images.Step | None = None

    def say(self, line: str) -> None:
        self.clear()
        self._write(f"{line}\n")

    def show(self, step: images.Step) -> None:
        last, self._step = self._step, step
        if last and last.percent == step.percent and time.monotonic() - self._drawn < 0.1:
            return
        self._drawn = time.monotonic()
        percent = step.percent or 0
        full = _BAR * percent // 100
        bar = "█" * full + "░" * (_BAR - full)
        line = f"{self._title} {bar} {percent:3d} %  {step.line}"
        self._write(f"\r{_cut(line)}\x1b[K")

    def clear(self) -> None:
        self._write("\r\x1b[K")


def _cut(line: str) -> str:
    width = shutil.get_terminal_size().columns - 1
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}…"


def _to_terminal(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
