"""Images on one machine: a framework's virtual environment, built once and shared by all labs.

An image is a directory with ``image.toml`` and ``requirements.txt``. The shipped ones lie in the
package; an administrator adds more below ``<root>/images/<name>/``, which also replaces a shipped
one of the same name. The environment's directory carries a digest of what it was made of, so a
changed requirement makes a new environment and never changes one that a lab is using.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator

from .._version import __version__
from ..state import StateDir
from .builder import Builder, Say
from .environment import MARKER, ImageEnv, find, named, python_of

__all__ = ("ImageEnv", "Say", "build", "find", "named", "python_of")


def build(state: StateDir, name: str, say: Say) -> ImageEnv:
    """Make the environment of an image; milliseconds when it is there already.

    Two builders exclude each other, and one that was interrupted is started over. Blocks for
    minutes: call it in a thread or a program of its own.

    Args:
        state: Where environments lie.
        name: Of the image.
        say: Gets the size of the download before it starts, then progress.

    Raises:
        NotFound: no such image.
        StorageFull: less room on the disk than the environment needs.
        Unavailable: pip could not install it; the message has pip's reason.
    """
    env = named(state, name)
    if _built_by(env) == __version__:
        return env
    state.envs.mkdir(parents=True, exist_ok=True)
    with _alone(env, say):
        env = named(state, name)
        by = _built_by(env)
        if by == __version__:
            return env
        builder = Builder(env, say)
        if by is not None:
            # The old mark stays until the new one replaces it: a renewal that fails costs nothing.
            say(f"{env.image.title}: updating dllab-hub from {by} to {__version__}")
        elif not builder.has_requirements.exists():
            shutil.rmtree(env.path, ignore_errors=True)  # A half-built one.
            builder.create()
            builder.announce()
            builder.requirements()
        builder.package()
        _mark(env)
    say(f"{env.image.title} is ready")
    return env


@contextlib.contextmanager
def _alone(env: ImageEnv, say: Say) -> Iterator[None]:
    with env.path.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{env.image.title}: another process is building it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _built_by(env: ImageEnv) -> str | None:
    """Version of dllab-hub inside a complete environment."""
    try:
        return str(json.loads((env.path / MARKER).read_text())["dllab_hub"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return ""  # Complete, but by nobody we know: only our own package is renewed.


def _mark(env: ImageEnv) -> None:
    partial = env.path / f"{MARKER}.tmp"
    partial.write_text(json.dumps({"dllab_hub": __version__, "python": env.image.python}) + "\n")
    partial.chmod(0o644)
    partial.replace(env.path / MARKER)
