"""Where the GPUs of a cluster are measured, as the administrator has said it: `GpuMetrics`::

[gpu_metrics]
url = "http://prometheus-operated.monitoring:9090/"
token_file = "/run/secrets/prometheus/token"   # if it wants one
every = 15                                     # seconds between two questions
labels = { job = "nvidia-dcgm-exporter" }      # that series must have, if others could tell lies
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from ...catalog import settings_of
from ...errors import DLLabError, InvalidRequest
from ...manifests.serving_cluster import ServingCluster
from ...settings import only
from ...specs.wire import Value
from ...state import StateDir
from .settings import cluster_of

__all__ = ("GpuMetrics", "gpu_metrics_of", "homes_of")

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,99}")
#: The namespace that a pod is in.
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class GpuMetrics(Value):
    """A Prometheus that scrapes dcgm-exporter, or anything that answers as it does.

    Attributes:
        url: Its address, below which ``api/v1/query`` is.
        token_file: Has the token that it wants; read anew each time. Empty: it wants none.
        every: Seconds between two questions while somebody wants to know.
        labels: That series must have, by name.
    """

    url: str = Field(min_length=1, max_length=2000)
    token_file: str = Field(default="", max_length=4096)
    every: float = Field(default=15.0, ge=1, le=300)
    labels: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            good = False
        if not good or re.search(r"[\s\x00-\x1f\x7f]", self.url):
            raise InvalidRequest("must be an address that begins with http or https.", field="url")
        if parts.username is not None or parts.query or parts.fragment:
            raise InvalidRequest(
                "must be an address without a password, a question or a fragment.",
                hint="A token is put in a file: token_file.",
                field="url",
            )
        if self.token_file and not Path(self.token_file).is_absolute():
            raise InvalidRequest("must be an absolute path.", field="token_file")
        for name in self.labels:
            if not _LABEL.fullmatch(name) or name == "__name__":
                raise InvalidRequest("must have names of labels as keys.", field="labels")
        return self

    @property
    def query_url(self) -> str:
        """Where a question is asked."""
        return f"{self.url.rstrip('/')}/api/v1/query"


def gpu_metrics_of(state: StateDir) -> GpuMetrics | None:
    """The table ``gpu_metrics`` of ``LabCatalog`` or ``catalog.toml``; None without one. Blocks.

    Raises:
        DLLabError: it is wrong; the message names the key, and not what it says.
    """
    table = settings_of(state).get("gpu_metrics")
    if not table:
        return None
    try:
        only(set(GpuMetrics.model_fields), table, "gpu_metrics")
        return GpuMetrics.from_wire(dict(table))
    except InvalidRequest as exc:
        field = exc.field if exc.field.startswith("gpu_metrics") else f"gpu_metrics.{exc.field}"
        raise DLLabError(
            "the settings (LabCatalog, catalog.toml) are wrong: "
            f"{InvalidRequest(exc.message, hint=exc.hint, field=field)}",
            hint="The administrator can fix it.",
        ) from exc


def homes_of(
    state: StateDir, environ: Mapping[str, str] = os.environ, read: Callable[[], str] | None = None
) -> dict[str, str]:
    """Namespaces in which pods of each kind are ours; in others anybody could say so. Blocks.

    Args:
        state: Where ``catalog.toml`` lies.
        environ: ``POD_NAMESPACE`` is the hub's namespace, and the labs'.
        read: Its namespace as Kubernetes tells a pod, which is asked where the environment has
            none.

    Raises:
        DLLabError: a setting is wrong; the message names it.
    """
    homes = {"job": cluster_of(state).namespace}
    serving = settings_of(state).get("serving")
    table = serving.get("cluster") if isinstance(serving, Mapping) else None
    named = table.get("namespace") if isinstance(table, Mapping) else None
    homes["deployment"] = str(named or ServingCluster.model_fields["namespace"].default)
    labs = environ.get("POD_NAMESPACE") or (read or _own_namespace)()
    return {**homes, "lab": labs} if labs else homes


def _own_namespace() -> str:
    """Empty outside of a pod."""
    try:
        return _NAMESPACE.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
