"""``dllab up``: everything that makes a lab on this machine, from an empty directory to an address.

The first run says what it downloads and builds the image environment; the second takes seconds.
It stays in the foreground; Ctrl-C ends the hub, the labs and what serves models, never a job.
Deployments nobody could reach without the hub; the next start serves them again.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from .. import images
from ..errors import DLLabError, Unavailable
from ..shim import process
from ..state import StateDir
from .hub import Hub, end_previous
from .installation import (
    Settings,
    check_os_users,
    load_settings,
    make_directories,
    secret,
)
from .proxy import proxy_command

__all__ = ("up",)

#: What a new lab gets: somewhere to work, and what serves models.
_FIRST_IMAGE, _SERVER = "pytorch", "serving"
#: Restarts of a hub that was killed, before giving up, and seconds in which they are counted.
_RESTARTS, _WINDOW = 5, 300.0
#: Seconds for model servers to answer what they have been asked.
_LAST_ANSWERS = 15.0


def up(
    *, port: int = 8000, home: Path | None = None, os_users: bool = False, browser: bool = False
) -> int:
    """Start the hub and stay until SIGINT or SIGTERM.

    Args:
        port: Of the address, on the loopback interface; 0 picks a free one.
        home: Root of the state; None for the default.
        os_users: Run each lab as the account of its person; needs root.
        browser: Open the address when there is a desktop.

    Returns:
        The exit code.

    Raises:
        DLLabError: what is missing and how to get it.
    """
    state = StateDir.default() if home is None else StateDir.at(home)
    if find_spec("jupyterhub") is None:
        raise Unavailable(
            "JupyterHub is not installed here.", hint="Run: pip install 'dllab-hub[hub]'"
        )
    if os_users:
        check_os_users(state)
    make_directories(state, os_users)
    with _until_interrupted(), _alone(state) as first:
        if not first:
            running = load_settings(state)
            where = running.address if running else "its address"
            _say(f"the hub of {state.root} is already running at {where}")
            return 0
        end_previous(state, _say)
        _build_images(state)
        proxy = proxy_command(state, _say)
        settings = Settings.choose(load_settings(state), port=port, os_users=os_users, proxy=proxy)
        settings.save(state)
        password = secret(state.hub / "password", 12)
        secret(state.hub / "admin-password", 40)
        return _run(Hub(state, settings), "" if os_users else password, browser)


def _run(hub: Hub, password: str, browser: bool) -> int:
    state, settings = hub.state, hub.settings
    deaths: list[float] = []
    try:
        _say("starting the hub")
        hub.start()
        hub.wait_ready(120)
        _welcome(settings, password)
        if browser and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            webbrowser.open(settings.address)
        while True:
            time.sleep(0.2)
            if hub.is_running:
                continue
            deaths = [t for t in deaths if t > time.monotonic() - _WINDOW] + [time.monotonic()]
            if len(deaths) > _RESTARTS:
                raise Unavailable(
                    f"the hub has ended {len(deaths)} times.", hint=f"Its log: {hub.log}"
                )
            _say("the hub has ended by itself; starting it again, the labs go on")
            hub.start()
            hub.wait_ready(120)
            _say(f"the hub is back at {settings.address}")
    except KeyboardInterrupt:
        print(flush=True)  # After the terminal's ^C.
        return 0
    finally:
        # A second Ctrl-C must not kill the hub half-way: its labs and its proxy would stay.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _say("stopping the hub and the labs")
        hub.stop(60)
        _farewell(state)


def _welcome(settings: Settings, password: str) -> None:
    print(f"\n  address   {settings.address}", flush=True)
    if password:
        print(f"  user      {getpass.getuser()}")
        print(f"  password  {password}\n")
        print("Any other user name works too, with a lab and a home of its own. All of them run")
        print("as this account: that keeps work apart, not people.")
    else:
        print("  user      the name of an account of this machine, with its password\n")
    print("Ctrl-C stops the hub, the labs and deployments; training jobs go on.", flush=True)


def _farewell(state: StateDir) -> None:
    if served := _end_deployments(state):
        _say(f"the next start serves them again: {', '.join(served)}")
    jobs = dict(_running(state.jobs, "*/launch.json", 1))
    if not jobs:
        _say("stopped; nothing runs any more")
        return
    these = "1 training job goes on" if len(jobs) == 1 else f"{len(jobs)} training jobs go on"
    _say(f"stopped; {these}:")
    for id, pid in sorted(jobs.items()):
        _say(f"  {id}   cancel it with: kill {pid}")
    _say("or start the lab again to watch and cancel them")


def _end_deployments(state: StateDir) -> list[str]:
    """End every replica and balancer; the names of the deployments that were served.

    The lab service is gone by now, so nobody starts them again before the next ``dllab up``.
    """
    # Of a deployment each replica and the balancer have a shim.
    shims = "*/*/units/*/launch.json"
    running = list(_running(state.deployments, shims, 2))
    for _, pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    give_up = time.monotonic() + _LAST_ANSWERS
    while list(_running(state.deployments, shims, 2)):
        if time.monotonic() > give_up:
            _say("some of what served models has not ended yet; it will")
            break
        time.sleep(0.05)
    return sorted({name for name, _ in running})


def _running(folder: Path, pattern: str, depth: int) -> Iterator[tuple[str, int]]:
    """Shims that are alive: what each is for, as so many parts of its path, and its pid.

    The service's own notes count: what lies in a person's directory could name any other process,
    or be no file at all and never come to its end.
    """
    for path in folder.glob(pattern):
        try:
            identity = json.loads(path.read_text())
            if process.is_alive(identity):
                name = "/".join(path.relative_to(folder).parts[:depth])
                yield name, int(identity["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Being written, or not by a shim.


def _build_images(state: StateDir) -> None:
    """One image to work in must be there, and one that serves should.

    Those that are get this version's kernel-side package.
    """
    labs = [env for env in images.find(state) if not env.image.serves]
    servers = [env for env in images.find(state) if env.image.serves]
    wanted = [env for env in labs if env.ready] or [images.named(state, _FIRST_IMAGE)]
    serving = [env for env in servers if env.ready] or [images.named(state, _SERVER)]
    missing = [env.image.title for env in (*wanted, *serving) if not env.ready]
    if missing:
        _say(f"to be built before the lab starts, this once: {' and '.join(missing)}")
    for env in wanted:
        images.build(state, env.image.name, _say)
    for env in serving:
        try:
            images.build(state, env.image.name, _say)
        except DLLabError as exc:
            _say(str(exc))
            _say("the lab starts without it: models can be trained but not deployed, until this")
            _say(f"has worked: dllab env build {env.image.name}")


@contextlib.contextmanager
def _alone(state: StateDir) -> Iterator[bool]:
    """Whether no other ``dllab up`` serves this state."""
    with open(state.hub / "up.lock", "a", opener=lambda p, f: os.open(p, f, 0o600)) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def _until_interrupted() -> Iterator[None]:
    """SIGTERM and a closed terminal end this program the way Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        s: signal.signal(s, interrupt)
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if s != signal.SIGHUP or signal.getsignal(s) is not signal.SIG_IGN  # nohup
    }
    try:
        yield
    except KeyboardInterrupt:
        print(file=sys.stderr)
        _say("interrupted")
        raise SystemExit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    print(text, flush=True)
