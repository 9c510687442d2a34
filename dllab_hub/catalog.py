"""What a person may pick on this machine: the built images and the volumes of ``catalog.toml``.

::

    # <root>/catalog.toml, every part optional
    default_image = "pytorch"

    [[volumes]]
    name = "imagenet"
    title = "ImageNet 2012"
    path = "/srv/data/imagenet"
    read_only = true

    [limits]
    max_gpus = 4         # GPUs one lab may hold
    max_replicas = 16    # replicas one job may have
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from . import images
from .errors import DLLabError, InvalidRequest, NotFound, Unavailable
from .specs import Catalog, Image
from .state import StateDir

__all__ = ("HERE", "interpreter", "load_catalog", "server_of")

#: Name of the image that is the interpreter this program runs in.
HERE = "here"

_KEYS = {"default_image", "volumes", "limits"}
_LIMITS = {"max_gpus", "max_replicas"}


def load_catalog(state: StateDir, here: bool = False) -> Catalog:
    """Read the catalog; a few small files, no environment is touched.

    Args:
        state: Where images and ``catalog.toml`` lie.
        here: Also offer the running interpreter, for a ``jupyter lab`` without a hub.

    Raises:
        Unavailable: no image is built.
        DLLabError: ``catalog.toml`` is wrong; the message names the field.
    """
    offered = [env.image for env in images.find(state) if env.ready and not env.image.serves]
    if here:
        offered.append(_here())
    if not offered:
        raise Unavailable("no framework image is built.", hint="Run: dllab env build pytorch")
    path = state.root / "catalog.toml"
    about = _read(path)
    try:
        _only(_KEYS, about, "")
        limits = about.get("limits", {})
        _only(_LIMITS, limits, "limits")
        return Catalog.from_wire(
            {
                "images": [image.to_wire() for image in offered],
                "volumes": about.get("volumes", []),
                "default_image": about.get("default_image", offered[0].name),
                **limits,
            }
        )
    except InvalidRequest as exc:
        raise DLLabError(f"{path} is wrong: {exc}", hint="The administrator can fix it.") from exc


def interpreter(state: StateDir, image_name: str) -> Path:
    """The Python that runs kernels and workers of an image.

    Raises:
        NotFound: no such image, or one that serves models and runs nothing else.
        Unavailable: its environment is not built.
    """
    if image_name == HERE:
        return Path(sys.executable)
    names = [env.image.name for env in images.find(state) if not env.image.serves]
    if image_name not in names:
        hint = f"Choose one of: {', '.join(names)}."
        raise NotFound("there is no such image.", hint=hint, field="image")
    return images.python_of(state, image_name)


def server_of(state: StateDir, format: str) -> Path:
    """The Python that serves models of a format, such as ``onnx``; of the first image by name.

    Raises:
        Unavailable: no image that serves it is built.
    """
    serving = [env for env in images.find(state) if format in env.image.serves]
    for env in serving:
        if env.ready:
            return env.python
    raise Unavailable(
        f"no image that serves {format} is built.",
        hint=f"Run: dllab env build {serving[0].image.name}" if serving else "",
    )


def _only(known: set[str], table: object, field: str) -> None:
    """Refuse what is not a table, and a key that means nothing: it is a typing error."""
    if not isinstance(table, dict):
        raise InvalidRequest("must be a table.", field=field)
    for key in sorted(set(table) - known):
        raise InvalidRequest(
            "there is no such key.",
            hint=f"Known keys: {', '.join(sorted(known))}.",
            field=f"{field}.{key}".lstrip("."),
        )


def _here() -> Image:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Image(
        name=HERE,
        title=f"This Python {python}",
        framework="python",
        version=python,
        python=python,
        description="The interpreter that JupyterLab itself runs in.",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise DLLabError(f"{path} cannot be read: {exc}") from exc
