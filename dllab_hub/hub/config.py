"""`LabCatalog`: what labs may be made of, as JupyterHub's configuration says it.

::

    # jupyterhub_config.py, or below hub.config.LabCatalog in zero-to-jupyterhub's values
    c.LabCatalog.volumes = [
        {"name": "imagenet", "title": "ImageNet", "path": "/srv/imagenet", "read_only": True}
    ]
    c.LabCatalog.limits = {"max_gpus": 4, "max_gpus_per_user": 4}

On one machine these come before ``<root>/catalog.toml``, which has the same keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from traitlets import Any as AnyTrait
from traitlets import Dict, List, TraitError, Unicode
from traitlets.config import Config, Configurable

from ..catalog import SETTINGS, assemble, load_catalog
from ..errors import DLLabError
from ..specs import Catalog, for_labs
from ..state import StateDir
from .form import compile_page

__all__ = ("LabCatalog", "check")


class LabCatalog(Configurable):  # type: ignore[misc]
    """What labs may be made of; both spawners read it. The keys of each entry are those of
    `Image`, `Volume`, `GpuType` and `Bring` in `dllab_hub.specs`.
    """

    images = List(
        Dict(),
        help="""Images, each with name, title, framework, version, description, tags.

        On a cluster also ``container``, the reference to pull. On one machine images are found as
        ``image.toml`` files, and an entry here changes the one of its name, for instance who may
        use it (``users``, ``groups``). With ``targets`` it may have a ``container`` too, for jobs
        that run on one of these.
        """,
    ).tag(config=True)
    volumes = List(
        Dict(),
        help="""Data volumes, each with name, title, read_only, users, groups, and where it is:

        ``path`` (a directory) or ``url`` and ``options`` (fsspec) on one machine; ``claim``,
        ``nfs``, ``csi`` or ``url`` on a cluster, where ``mount`` may say where it appears. With
        ``targets`` both kinds may be offered: what a volume is decides which jobs find it.
        """,
    ).tag(config=True)
    gpu_types = List(
        Dict(),
        help="""Kinds of GPUs to choose from, each with name and title.

        On one machine ``match`` is a part of the GPU's own name; on a cluster ``resource``,
        ``node_selector`` and ``tolerations`` say which nodes have it. ``max_gpus`` limits one lab.
        """,
    ).tag(config=True)
    default_image = Unicode("", help="Name of the image that a newcomer finds picked.").tag(
        config=True
    )
    cpus = List(AnyTrait(), help="Numbers of CPUs to choose from, on a cluster.").tag(config=True)
    memory = List(AnyTrait(), help='Sizes to choose from, on a cluster, such as "8G".').tag(
        config=True
    )
    idle = List(
        AnyTrait(),
        help="Minutes without use to choose from after which a lab is stopped; 0 is never.",
    ).tag(config=True)
    bring = Dict(
        help="""What people may bring themselves.

        ``images``: a regular expression that the whole reference of a custom container image must
        match, with ``registries`` as a second fence (a cluster). ``environments``: directories
        below which somebody's own virtual environment may lie, ``~`` for the home (one machine).
        ``requirements``: whether packages may be listed that a lab gets on top.
        """
    ).tag(config=True)
    limits = Dict(
        help="""max_gpus and max_gpus_per_user for labs; max_replicas, max_workspace_mb and, of
        one person, max_gpu_hours (in 30 days), max_jobs (that wait or run at once) and
        max_job_gpus (that these hold or wait for) for jobs; and the longest idle limits in minutes
        that may be chosen: max_idle, max_gpu_idle."""
    ).tag(config=True)
    groups = Dict(
        help="""Limits for members of a group of the hub: group name -> max_gpus,
        max_gpus_per_user, max_gpu_hours, max_jobs, max_job_gpus, max_idle, max_gpu_idle. Of
        several groups the most generous counts."""
    ).tag(config=True)

    cluster = Dict(
        help="""Where jobs run on a cluster: ``namespace``, ``claim`` (mounted by all nodes),
        ``queue`` (of Kueue), ``priority_class``, ``user`` (id that code runs as), ``keep`` (seconds
        that objects of an ended job stay) and ``autoscaling`` (whether nodes may be added).
        """
    ).tag(config=True)
    serving = Dict(
        help="""Models: ``pickles`` (whether they may be pickles), and ``cluster``, where they are
        served on a cluster: ``namespace``, ``claim`` and whatever else
        `manifests.serving_cluster.ServingCluster` has, but for its images.
        """
    ).tag(config=True)
    gpu_metrics = Dict(
        help="""Where the GPUs of a cluster are measured: ``url`` of a Prometheus that scrapes
        dcgm-exporter, ``token_file`` if it wants a token, ``every`` (seconds between two questions,
        15) and ``labels`` that series must have. People see their own GPUs then, and numbers of the
        others.
        """
    ).tag(config=True)
    targets = List(
        Dict(),
        help="""Clusters where jobs may run besides the usual place, each with ``name``, ``title``,
        ``kubeconfig`` (a file that the lab service reads) or ``context`` (of the default one), and
        the keys of ``cluster``. Whoever submits a job picks one. ``DLLAB_SHARED`` has to name a
        directory that all of them mount by their ``claim``.
        """,
    ).tag(config=True)

    def settings(self) -> dict[str, Any]:
        """What was configured, in the shape of ``catalog.toml``."""
        found = {name: getattr(self, name) for name in self.trait_names(config=True)}
        return {name: _plain(value) for name, value in found.items() if value}

    def catalog(self, target: str) -> Catalog:
        """What labs may be made of now. Reads files on one machine: call it in a thread.

        Args:
            target: ``machine`` or ``cluster``.

        Raises:
            DLLabError: a setting is wrong, or no image is built; the message says which and what
                to do.
        """
        if target == "machine":
            return for_labs(load_catalog(StateDir.default(), settings=self.settings()))
        where = "the catalog (LabCatalog in the hub's settings) is wrong"
        return for_labs(assemble(self.settings(), (), "cluster", where))


def check(config: Config, target: str, services: Iterable[dict[str, Any]] = ()) -> Catalog:
    """The last line of a configuration file: a wrong catalog stops the hub with one sentence.

    Args:
        config: ``c``.
        target: ``machine`` or ``cluster``.
        services: Of the hub; the one named ``dllab`` is told the settings.

    Raises:
        TraitError: JupyterHub prints it as one line and ends.
    """
    found = LabCatalog(config=config)
    try:
        made = found.catalog(target)
    except DLLabError as exc:
        raise TraitError(str(exc)) from exc
    for service in services:
        if service.get("name") == "dllab":
            service.setdefault("environment", {})[SETTINGS] = json.dumps(found.settings())
    compile_page()
    return made


def _plain(value: Any) -> Any:
    """Traitlets' own containers as plain ones."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
