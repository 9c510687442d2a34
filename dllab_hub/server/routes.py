"""`routes`: the table of all addresses, the same for both hosts."""

from __future__ import annotations

import re

from jupyter_server.utils import url_path_join

from . import catalog, gpus, jobs, openapi, status, tensorboards
from .handler import LabHandler, Nowhere

__all__ = ("routes",)

_ALL: tuple[tuple[str, type[LabHandler]], ...] = (
    *status.ROUTES,
    *catalog.ROUTES,
    *gpus.ROUTES,
    *jobs.ROUTES,
    *tensorboards.ROUTES,
    *openapi.ROUTES,
    (r"(.*)", Nowhere),
)


def routes(base_url: str) -> list[tuple[str, type[LabHandler]]]:
    """Patterns and handlers below ``{base_url}dllab/api/``."""
    # A base URL may hold characters that mean something in a pattern.
    base = re.escape(url_path_join(base_url, "dllab", "api"))
    return [(f"{base}/{pattern}", handler) for pattern, handler in _ALL]
