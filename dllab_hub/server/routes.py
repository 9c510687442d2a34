"""`routes`: the table of all addresses, the same for both hosts."""

from __future__ import annotations

import re

from jupyter_server.utils import url_path_join

from . import (
    admission,
    alerts,
    catalog,
    deployments,
    gpus,
    history,
    host,
    idle,
    insight,
    jobs,
    lab_view,
    lend,
    log_stream,
    models,
    notices,
    openapi,
    serve,
    status,
    tensorboards,
    workspaces,
)
from .handler import LabHandler, Nowhere

__all__ = ("routes",)

_ALL: tuple[tuple[str, type[LabHandler]], ...] = (
    *status.ROUTES,
    *catalog.ROUTES,
    *gpus.ROUTES,
    *lend.ROUTES,
    *alerts.ROUTES,
    *host.ROUTES,
    *history.ROUTES,
    *insight.ROUTES,
    *jobs.ROUTES,
    *log_stream.ROUTES,
    *notices.ROUTES,
    *workspaces.ROUTES,
    *models.ROUTES,
    *deployments.ROUTES,
    *admission.ROUTES,
    *lab_view.ROUTES,
    *tensorboards.ROUTES,
    *idle.ROUTES,
    *openapi.ROUTES,
    (r"(.*)", Nowhere),
)


def routes(base_url: str, serve_url: str = "") -> list[tuple[str, type[LabHandler]]]:
    """Patterns and handlers below ``{base_url}dllab/api/``, and those of the endpoints.

    Args:
        base_url: Of the host.
        serve_url: Path below which the endpoints are, with a slash at its end; empty for nowhere.
    """
    # A base URL may hold characters that mean something in a pattern.
    base = re.escape(url_path_join(base_url, "dllab", "api"))
    table = [(f"{base}/{pattern}", handler) for pattern, handler in _ALL]
    if serve_url:
        table += [(re.escape(serve_url) + pattern, handler) for pattern, handler in serve.ROUTES]
    return table
