"""Training on a cluster: submits, a service at rest, its memory, outages, and times to a line.

With ``KUBECONFIG`` and ``DLLAB_TEST_IMAGE`` (see `real_cluster`) submits go to that cluster, and
pods really run. A scripted API server (`fake_api`) has thousands of objects and fails when it is
told to; it says nothing of how fast a real one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from kubernetes_quiet import history_rows, minute_rows
from kubernetes_real import line_rows
from kubernetes_scale import scale_rows
from kubernetes_submit import submit_rows
from table import Row

__all__ = ("rows",)


def rows() -> Iterator[Row]:
    """All rows of this area."""
    for measure in (submit_rows, minute_rows, history_rows, line_rows, scale_rows):
        yield from asyncio.run(measure())
