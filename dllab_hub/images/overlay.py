"""A lab's overlay: a virtual environment of its own on top of an image's environment.

What a person installs goes into the overlay and comes first on the path; the image's environment
below it is shared by all labs and stays as it was built. Taking an upgraded package out of the
overlay brings the image's own version back.

With one account per person this file runs as a program of its own under that account. So it needs
nothing but the standard library: ``python -I -S overlay.py`` reads the arguments of `make` as JSON
from standard input and prints ``{"python": path}`` or ``{"problem": sentence}``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ("OverlayProblem", "installed", "local", "make")

#: What the overlay lies on: an overlay whose record says something else is made anew.
_RECORD = ".dllab-overlay.json"
#: The last of all .pth files: what is installed in editable mode comes before the image too.
_LINK = "zzz-dllab-image.pth"
_ASK = (
    "import json, os, site, sys, sysconfig; print(json.dumps({"
    "'base': getattr(sys, '_base_executable', None) or sys.executable,"
    "'scripts': os.path.dirname(sys.executable),"
    "'sites': [p for p in site.getsitepackages() if os.path.isdir(p)],"
    "'site': os.path.relpath(sysconfig.get_path('purelib'), sys.prefix),"
    "'version': '.'.join(map(str, sys.version_info[:3])),"
    "'short': f'{sys.version_info[0]}.{sys.version_info[1]}'}))"
)
#: Longer first lines are not understood by every kernel.
_LONGEST_SHEBANG = 120


class OverlayProblem(Exception):
    """There can be no overlay here."""


def make(directory: str | os.PathLike[str], python: str | os.PathLike[str]) -> Path:
    """Make the overlay, or find it as it should be; about 100 ms the first time, 2 ms later.

    An overlay of another environment is replaced by an empty one: what was installed there may not
    fit what lies below it now. Whoever wants to keep one apiece gives each environment a directory.

    Args:
        directory: Of the overlay; its parents are made.
        python: Interpreter of the environment below it.

    Returns:
        The overlay's interpreter.

    Raises:
        OverlayProblem: the environment does not run, or the directory cannot be written.
    """
    top, below = Path(os.path.abspath(directory)), Path(os.path.abspath(python))
    made = top / "bin" / "python"
    try:
        lies_on = _fingerprint(below)
        record = _read(top / _RECORD)
        if record.get("lies_on") != lies_on or not made.exists():
            record = {"lies_on": lies_on, **_ask(below)}
            _create(top, record)
        _wrap_scripts(Path(record["scripts"]), top, top)
    except OSError as exc:
        raise OverlayProblem(f"the lab's own environment cannot be made: {exc}.") from exc
    return made


def installed(directory: str | os.PathLike[str]) -> list[str]:
    """What the overlay adds to its image, sorted: ``name==version``, or ``name @ url``.

    A package that came from a file or a directory of this machine is not in it: see `local`.
    """
    found = []
    for dist in _distributions(Path(directory)):
        origin = _origin(dist)
        url = str(origin.get("url", ""))
        if url.startswith("file:"):
            continue
        vcs = origin.get("vcs_info")
        if vcs:
            url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
        name = dist.metadata["Name"]
        found.append(f"{name} @ {url}" if url else f"{name}=={dist.version}")
    return sorted(found, key=str.lower)


def local(directory: str | os.PathLike[str]) -> list[str]:
    """Names of what was installed from a file or directory of this machine, sorted."""
    return sorted(
        dist.metadata["Name"]
        for dist in _distributions(Path(directory))
        if str(_origin(dist).get("url", "")).startswith("file:")
    )


def _distributions(top: Path) -> list[metadata.Distribution]:
    site = _read(top / _RECORD).get("site")
    # In a container it is what pip calls a user base, without a record of ours.
    sites = [top / site] if site else [*top.glob("lib/python*/site-packages")]
    found = metadata.distributions(path=[str(path) for path in sites])
    return [dist for dist in found if dist.metadata["Name"]]


def _origin(dist: metadata.Distribution) -> dict[str, Any]:
    """PEP 610: where it came from, empty when from an index."""
    text = dist.read_text("direct_url.json")
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _fingerprint(python: Path) -> list[str]:
    """Changes when another environment lies at the same place."""
    try:
        config = (python.parent.parent / "pyvenv.cfg").read_text(errors="replace")
    except OSError:
        config = ""  # Not every environment is a venv.
    return [str(python), os.path.realpath(python), config]


def _ask(python: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _ASK],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            cwd="/",
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as exc:
        raise OverlayProblem(f"the environment of {python} does not run: {exc}.") from exc
    return answer


def _create(top: Path, record: dict[str, Any]) -> None:
    """Build it beside its place, then move it there: there is never a half one."""
    top.parent.mkdir(parents=True, exist_ok=True)
    partial = top.with_name(f".{top.name}.{os.getpid()}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, top, record)
        old = top.with_name(f".{top.name}.{os.getpid()}.old")
        if os.path.lexists(top):
            top.replace(old)
        partial.replace(top)
    except OSError:  # The disk is full: the next start makes it under another number.
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _fill(partial: Path, top: Path, record: dict[str, Any]) -> None:
    partial.mkdir(mode=0o700)
    site = partial / record["site"]
    site.mkdir(parents=True)
    (partial / "bin").mkdir()
    if not (partial / "lib64").exists():
        (partial / "lib64").symlink_to("lib")
    base = Path(record["base"])
    (partial / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
        f"version = {record['version']}\nexecutable = {base}\nprompt = lab\n"
    )
    (partial / "bin" / "python").symlink_to(base)
    for name in ("python3", f"python{record['short']}"):
        (partial / "bin" / name).symlink_to("python")
    # Through `addsitedir`, so that the .pth files of the image count as well.
    (site / _LINK).write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in record["sites"])
    )
    _wrap_scripts(Path(record["scripts"]), partial, top)
    (partial / _RECORD).write_text(json.dumps(record))


def _wrap_scripts(scripts: Path, into: Path, top: Path) -> None:
    """Give the image's commands (pip, torchrun, ...) the overlay's interpreter.

    Only those that are missing: a package in the overlay may bring its own.
    """
    try:
        missing = sorted(set(os.listdir(scripts)) - set(os.listdir(into / "bin")))
    except OSError:
        return
    for name in missing:
        source, target = scripts / name, into / "bin" / name
        if source.is_symlink() or not source.is_file():
            continue
        with source.open("rb") as file:
            if file.read(2) != b"#!":
                continue
            body = _without_header(b"#!" + file.read(1 << 16), scripts)
        if body is not None:
            partial = target.with_name(f".{target.name}.tmp")
            partial.write_bytes(_header(top / "bin" / "python") + body)
            partial.chmod(0o755)
            partial.replace(target)


def _without_header(text: bytes, scripts: Path) -> bytes | None:
    """A script without the lines that start it, or None when it is not Python of this place."""
    first, _, rest = text.partition(b"\n")
    interpreter, lines = first[2:].strip(), rest
    if first == b"#!/bin/sh" and rest.startswith(b"'''exec' "):  # What pip writes for long paths.
        command, _, lines = rest.partition(b"\n")
        interpreter = command[len(b"'''exec' ") :].rpartition(b' "$0"')[0].strip(b'"')
        lines = lines.partition(b"\n")[2]
    place, name = os.path.split(interpreter)
    try:
        is_ours = name.startswith(b"python") and os.path.samefile(place, scripts)
    except (OSError, ValueError):
        return None
    return lines if is_ours else None


def _header(python: Path) -> bytes:
    path = os.fsencode(python)
    if len(path) <= _LONGEST_SHEBANG and b" " not in path:
        return b"#!" + path + b"\n"
    return b"#!/bin/sh\n'''exec' \"" + path + b'" "$0" "$@"\n\' \'\'\'\n'


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    try:
        print(json.dumps({"python": str(make(**json.load(sys.stdin)))}))
    except OverlayProblem as exc:
        print(json.dumps({"problem": str(exc)}))
