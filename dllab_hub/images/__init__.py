"""Images on one machine: a framework's virtual environment, built once and shared by all labs.

An image is a directory with ``image.toml`` and ``requirements.txt``. The shipped ones lie in the
package; an administrator adds more below ``<root>/images/<name>/``, which also replaces a shipped
one of the same name. The environment's directory carries a digest of what it was made of, so a
changed requirement makes a new environment and never changes one that a lab is using.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from .._version import __version__
from ..errors import Unavailable
from ..state import StateDir
from .builder import Builder, Say
from .environment import MARKER, ImageEnv, find, named, python_of
from .pip import no_room
from .progress import Meter, Progress, Step, beside
from .usage import User, environments_of, users_of
from .wheels import Wheels

__all__ = (
    "ImageEnv",
    "Meter",
    "Say",
    "Step",
    "User",
    "build",
    "find",
    "named",
    "python_of",
    "remove",
    "server_of",
    "users",
)


def server_of(state: StateDir, format: str) -> Path:
    """The Python that serves models of a format, such as ``onnx``; of the first image by name.

    Raises:
        Unavailable: no image that serves it is built.
    """
    serving = [env for env in find(state) if format in env.image.serves]
    for env in serving:
        if env.ready:
            return env.python
    raise Unavailable(
        f"no image that serves {format} is built.",
        hint=f"Run: dllab env build {serving[0].image.name}" if serving else "",
    )


def build(state: StateDir, name: str, say: Say, meter: Meter = lambda step: None) -> ImageEnv:
    """Make the environment of an image; milliseconds when it is there already.

    Two builders exclude each other. One that was interrupted is started over, with what it had
    downloaded. Blocks for minutes: call it in a thread or a program of its own.

    Args:
        state: Where environments lie.
        name: Of the image.
        say: Gets the size of the download before it starts, then a line at each step.
        meter: Gets every percent, for a progress bar.

    Raises:
        NotFound: no such image.
        StorageFull: less room on the disk than the environment needs.
        Unavailable: pip could not install it; the message has pip's reason.
    """
    env = named(state, name)
    if _is_current(env):
        return env
    state.envs.mkdir(parents=True, exist_ok=True)
    with _alone(env, say) as lock:
        env = named(state, name)
        if _is_current(env):
            return env
        by = _built_by(env)
        progress = Progress(env.path, meter)
        builder = Builder(env, say, progress, lock)
        try:
            if by is not None:
                # The old mark stays until the new one replaces it: a renewal that fails costs
                # nothing.
                old = f" from {by}" if by != __version__ else ""
                say(f"{env.image.title}: updating dllab-hub{old} to {__version__}")
            elif not builder.has_requirements.exists():
                shutil.rmtree(env.path, ignore_errors=True)  # A half-built one.
                builder.create()
                builder.announce()
                builder.requirements()
            builder.wheels.forget()  # Also those of a builder that was killed.
            builder.package()
            _mark(env)
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise no_room(env.image.title) from exc
            raise
        finally:
            progress.end()
    say(f"{env.image.title} is ready")
    return named(state, name)


def users(state: StateDir, name: str) -> list[User]:
    """Processes that run in an image's environments now: labs, jobs, replicas.

    Raises:
        NotFound: no such image.
    """
    named(state, name)
    return users_of(environments_of(state, name))


def remove(state: StateDir, name: str, say: Say) -> int:
    """Delete an image's environments, older ones of other requirements too.

    Whoever calls it has made sure that nothing runs in them: see `users`.

    Args:
        state: Where environments lie.
        name: Of the image.
        say: Gets a line when it has to wait for a builder.

    Returns:
        How many environments there were.

    Raises:
        NotFound: no such image.
    """
    env = named(state, name)
    if not state.envs.is_dir():
        return 0
    with _alone(env, say):
        there = environments_of(state, name)
        for path in there:
            (path / MARKER).unlink(missing_ok=True)  # From now on nobody starts in it.
            shutil.rmtree(path)
            for ending in ("log", "progress"):
                beside(path, ending).unlink(missing_ok=True)
            Wheels(beside(path, "downloads")).forget()
        Wheels(beside(env.path, "downloads")).forget()
    return len(there)


@contextlib.contextmanager
def _alone(env: ImageEnv, say: Say) -> Iterator[int]:
    """Hold the environment's lock; its file descriptor."""
    with beside(env.path, "lock").open("a") as lock:
        # Whoever reads how far a build is holds it for an instant.
        for _ in range(5):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
        else:
            say(f"{env.image.title}: another process is building it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _built_by(env: ImageEnv) -> str | None:
    """Version of dllab-hub inside a complete environment."""
    try:
        return str(json.loads((env.path / MARKER).read_text())["dllab_hub"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return ""  # Complete, but by nobody we know: only our own package is renewed.


def _is_current(env: ImageEnv) -> bool:
    """Whether a complete environment has the package that is running now, and all that it needs."""
    try:
        mark: dict[str, object] = json.loads((env.path / MARKER).read_text())
        return _ours().items() <= mark.items()
    except (FileNotFoundError, ValueError, AttributeError):
        return False


def _ours() -> dict[str, object]:
    needs = metadata.requires("dllab-hub") or ()
    return {
        "dllab_hub": __version__,
        "needs": ", ".join(sorted(need for need in needs if "extra ==" not in need)),
    }


def _mark(env: ImageEnv) -> None:
    partial = env.path / f"{MARKER}.tmp"
    partial.write_text(json.dumps({**_ours(), "python": env.image.python}) + "\n")
    partial.chmod(0o644)
    partial.replace(env.path / MARKER)
