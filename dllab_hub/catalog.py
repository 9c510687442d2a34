"""What a person may pick: built images, and what the administrator says of volumes and limits.

On one machine it is read from ``<root>/catalog.toml``; ``c.LabCatalog`` in the hub's configuration
has the same keys and comes before it (`hub.config`)::

    # every part optional
    default_image = "pytorch"
    idle = [60, 240, 0]        # minutes to choose from; 0 is never

    [[volumes]]
    name = "imagenet"
    title = "ImageNet 2012"
    path = "/srv/data/imagenet"
    read_only = true
    groups = ["vision"]        # of the hub; everybody when left out

    [[volumes]]
    name = "bucket"
    title = "Team bucket"
    url = "s3://team/data"
    options = { endpoint_url = "https://s3.example.org" }

    [[images]]                 # changes what image.toml says
    name = "pytorch"
    groups = ["vision"]

    [limits]
    max_gpus = 4               # GPUs one lab may hold
    max_gpus_per_user = 4      # GPUs all labs of one person may hold
    max_gpu_hours = 500        # GPU-hours the jobs of one person may use in 30 days
    max_jobs = 20              # jobs of one person that may wait or run at once
    max_job_gpus = 8           # GPUs these jobs may hold or wait for together
    max_replicas = 16          # replicas one job may have
    max_workspace_mb = 512     # megabytes of files that travel with one job
    max_gpu_idle = 240         # minutes without use after which a lab with GPUs ends at the latest

    [groups.staff]             # limits for members of a group
    max_gpus = 8

    [[targets]]                # a cluster for jobs too: see `backends.kubernetes.settings`
    name = "farm"
    title = "GPU farm"
    kubeconfig = "/etc/dllab/farm.yaml"
    claim = "dllab-jobs"       # and the other keys of the table "cluster"

    [history]                  # files of jobs that have ended; their records stay
    keep_files_days = 30       # and those of favourites: see `backends.local.retention`
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from . import images
from .errors import DLLabError, InvalidRequest, NotFound, Unavailable
from .settings import named, only, read, size, tables
from .specs import CUSTOM, Catalog, Image, check_places, targets_in
from .state import StateDir

__all__ = (
    "HERE",
    "SETTINGS",
    "assemble",
    "cluster_catalog",
    "interpreter",
    "load_catalog",
    "serving_images",
    "settings_of",
)

#: Name of the image that is the interpreter this program runs in.
HERE = "here"
#: Variable with the settings of the hub's configuration, as JSON: they come before the file.
SETTINGS = "DLLAB_CATALOG"

_LISTS = ("images", "volumes", "gpu_types")
_KEYS = {*_LISTS, "default_image", "cpus", "memory", "idle", "bring", "limits", "groups"}
#: Tables that others read: `backends.local.retention`, `backends.local.notices`,
#: `backends.local.serving.pickles`, `backends.kubernetes.settings` and ``gpu_settings`` there.
_OTHERS = {"alerts", "cluster", "gpu_metrics", "history", "notices", "serving", "targets"}
_LIMITS = {
    *("max_gpus", "max_gpus_per_user", "max_gpu_hours", "max_replicas", "max_workspace_mb"),
    *("max_jobs", "max_job_gpus", "max_idle", "max_gpu_idle"),
}
#: The last catalog of each state directory, with what it was made of.
_made: dict[Path, tuple[Any, Catalog]] = {}


def load_catalog(
    state: StateDir, here: bool = False, settings: Mapping[str, Any] | None = None
) -> Catalog:
    """Read the catalog of this machine; a few small files, no environment is touched.

    Args:
        state: Where images and ``catalog.toml`` lie.
        here: Also offer the running interpreter, for a ``jupyter lab`` without a hub.
        settings: They come before the file; None for what ``DLLAB_CATALOG`` holds.

    Raises:
        Unavailable: no image is built, and none is being built.
        DLLabError: a setting is wrong; the message names the entry and the field.
    """
    found = images.find(state)
    offered = [env.image for env in found if env.image.state != "missing" and not env.image.serves]
    if here:
        offered.append(_here())
    if not offered:
        raise Unavailable("no framework image is built.", hint="Run: dllab env build pytorch")
    path = state.root / "catalog.toml"
    first = json.loads(os.environ.get(SETTINGS, "{}")) if settings is None else settings
    where = f"{path} is wrong" if not first else "the catalog (LabCatalog, catalog.toml) is wrong"
    defined = {HERE: _here(), **{env.image.name: env.image for env in found}}
    inputs = ({**read(path), **first}, offered, defined, where)
    # It is read for every form: while nothing has changed it is not made again.
    before = _made.get(state.root)
    if before is None or before[0] != inputs:
        _made[state.root] = before = (
            inputs,
            assemble(inputs[0], offered, "machine", where, defined),
        )
    return before[1]


def settings_of(state: StateDir) -> dict[str, Any]:
    """What the hub's configuration says, before what ``catalog.toml`` says. Blocks.

    Raises:
        DLLabError: the file cannot be read; the message names it.
    """
    first = json.loads(os.environ.get(SETTINGS, "{}"))
    return {**read(state.root / "catalog.toml"), **first}


def cluster_catalog(state: StateDir) -> Catalog:
    """The catalog of a cluster, from `settings_of`. Blocks.

    Raises:
        DLLabError: a setting is wrong; the message names the entry and the field.
    """
    inputs = settings_of(state)
    before = _made.get(state.root)
    if before is None or before[0] != inputs:
        where = "the catalog (LabCatalog, catalog.toml) is wrong"
        _made[state.root] = before = (inputs, assemble(inputs, (), "cluster", where))
    return before[1]


def serving_images(state: StateDir) -> list[Image]:
    """What models are served in on a cluster: images that have ``serves``. Blocks.

    Raises:
        DLLabError: the file cannot be read; the message names it.
        InvalidRequest: an entry is wrong; the field names it.
    """
    entries = settings_of(state).get("images", [])
    tables(entries, "images")
    return [image for image in _images(entries, (), "cluster", {}, False) if image.serves]


def assemble(
    settings: Mapping[str, Any],
    offered: Sequence[Image],
    target: Literal["machine", "cluster"],
    where: str = "the catalog is wrong",
    defined: Mapping[str, Image] = MappingProxyType({}),
) -> Catalog:
    """The catalog that these settings describe.

    Args:
        settings: In the shape of ``catalog.toml``.
        offered: Images there are; an entry of ``settings["images"]`` changes the one of its name.
            On a cluster entries are images of their own.
        target: What labs run on.
        where: How a complaint begins.
        defined: Images by name that need not be offered, as their environment is not built.

    Raises:
        DLLabError: a setting is wrong; the message names the entry and the field.
    """
    try:
        only(_KEYS | _OTHERS, settings, "")
        for field in (*_LISTS, "targets"):
            tables(settings.get(field, []), field)
        targets = targets_in(settings.get("targets", []), target)
        limits = settings.get("limits", {})
        only(_LIMITS, limits, "limits")
        if target == "cluster" and not settings.get("images"):
            raise InvalidRequest("none is given: a cluster needs one at least.", field="images")
        found = _images(settings.get("images", []), offered, target, defined, bool(targets))
        if target == "cluster":  # Labs and jobs run in the others.
            found = [image for image in found if not image.serves]
        made = Catalog.from_wire(
            {
                "target": target,
                "targets": [each.to_wire() for each in targets],
                "images": [image.to_wire() for image in found],
                "volumes": settings.get("volumes", []),
                "default_image": settings.get("default_image", _first(found)),
                "gpu_types": settings.get("gpu_types", []),
                "cpus": settings.get("cpus", []),
                "memory": [size(value, "memory") for value in settings.get("memory", [])],
                "bring": settings.get("bring", {}),
                "group_limits": settings.get("groups", {}),
                **({"idle": settings["idle"]} if "idle" in settings else {}),
                **limits,
            }
        )
        check_places(made)
    except InvalidRequest as exc:
        field = named(exc.field, settings, (*_LISTS, "targets"))
        raise DLLabError(
            f"{where}: {InvalidRequest(exc.message, hint=exc.hint, field=field)}",
            hint="The administrator can fix it.",
        ) from exc
    return made


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


def _images(
    entries: Sequence[Any],
    offered: Sequence[Image],
    target: str,
    defined: Mapping[str, Image],
    elsewhere: bool,
) -> list[Image]:
    found = {image.name: image.to_wire() for image in offered}
    for index, entry in enumerate(entries):
        name = entry.get("name")
        only(set(Image.model_fields) - {"state", "progress"}, entry, f"images.{index}")
        if target == "machine" and name not in found:
            if name == CUSTOM or not isinstance(name, str):
                raise InvalidRequest("an image needs a name.", field=f"images.{index}.name")
            if elsewhere and entry.get("container") and name != HERE:  # Jobs on a cluster run it.
                known = defined[name].to_wire() if name in defined else {}
                found[name] = {**known, **entry, "state": "missing", "progress": ""}
                continue
            if name not in defined:  # It would restrict nothing, in silence.
                raise InvalidRequest(
                    "there is no such image.",
                    hint=f"Known: {', '.join(sorted(defined))}.",
                    field=f"images.{index}.name",
                )
            continue  # Its environment is not built: there is nothing to change yet.
        if target == "cluster" and not entry.get("container"):
            raise InvalidRequest(
                "says which container image a cluster pulls.", field=f"images.{index}.container"
            )
        found[name] = {**found.get(name, {}), **entry}
    made = []
    for index, (name, wire) in enumerate(found.items()):
        try:
            made.append(Image.from_wire(wire))
        except InvalidRequest as exc:
            key = name if re.fullmatch(r"[\w.-]{1,80}", str(name)) else index
            raise InvalidRequest(
                exc.message, hint=exc.hint, field=f"images.{key}.{exc.field}"
            ) from exc
    return made


def _first(found: Sequence[Image]) -> str:
    ready = [image.name for image in found if image.state == "ready" and image.name != HERE]
    names = [image.name for image in found]
    return "pytorch" if "pytorch" in ready else (ready or names or [""])[0]


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
