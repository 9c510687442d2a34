"""What a lab runs on: a person's own environment, looked at, and the lab's overlay on top.

With one account per person this file runs as a program of its own under that account, like
``home.py``: ``python -I -S environment.py`` reads the arguments of `prepare` as JSON from standard
input and prints its answer, or ``{"problem": sentence}``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ("EnvironmentProblem", "prepare")

_OVERLAY = Path(__file__).parent.parent / "images" / "overlay.py"
_LOOK = (
    "import json, importlib.util as u;"
    "print(json.dumps({'kernel': u.find_spec('ipykernel') is not None,"
    " 'magics': u.find_spec('dllab_hub') is not None}))"
)


class EnvironmentProblem(Exception):
    """The lab cannot run on this."""


def prepare(python: str, custom: str, roots: Sequence[str], overlay: str) -> dict[str, Any]:
    """Make the overlay ready.

    Args:
        python: Interpreter of the image; not looked at with ``custom``.
        custom: A person's own environment, or an empty string.
        roots: Directories below which it may lie; ``~`` is the home.
        overlay: Directory of the overlay.

    Returns:
        ``python``, the overlay's interpreter; ``below``, the one under it; ``magics``, whether
        that one has the lab's magics.

    Raises:
        EnvironmentProblem: naming what is wrong with the environment.
    """
    magics = True
    if custom:
        python, magics = _own(custom, roots)
    module = _overlay()
    try:
        made = module.make(overlay, python)
    except module.OverlayProblem as exc:
        raise EnvironmentProblem(str(exc)) from exc
    return {"python": str(made), "below": python, "magics": magics}


def _own(custom: str, roots: Sequence[str]) -> tuple[str, bool]:
    """The interpreter of a person's own environment."""
    try:
        top = Path(custom).resolve(strict=True)
        allowed = [Path(os.path.expanduser(root)).resolve() for root in roots]
    except (OSError, RuntimeError):
        raise EnvironmentProblem("this environment is not there.") from None
    if not any(top.is_relative_to(root) for root in allowed):
        raise EnvironmentProblem(
            f"the environment must lie below {' or '.join(roots)}, also behind links."
        )
    # The environment, not what its python points to: that is the base interpreter elsewhere.
    python = top / "bin" / "python"
    if not os.access(python, os.X_OK) or not python.is_file():
        raise EnvironmentProblem("this is no environment, there is no bin/python in it.")
    try:
        done = subprocess.run(
            [str(python), "-I", "-c", _LOOK],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            cwd="/",
        )
        found = json.loads(done.stdout)
        has_kernel, magics = bool(found["kernel"]), bool(found["magics"])
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        raise EnvironmentProblem("the python of this environment does not run.") from None
    if not has_kernel:
        raise EnvironmentProblem(
            "this environment has no ipykernel. Run in it: pip install ipykernel"
        )
    return str(python), magics


def _overlay() -> Any:
    """By its path: as a program this file has no package around it."""
    if __package__:
        from ..images import overlay

        return overlay
    spec = importlib.util.spec_from_file_location("overlay", _OVERLAY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    try:
        print(json.dumps(prepare(**json.load(sys.stdin))))
    except EnvironmentProblem as exc:
        print(json.dumps({"problem": str(exc)}))
