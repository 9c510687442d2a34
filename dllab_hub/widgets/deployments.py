"""`DeploymentList`: a person's deployments by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

from ..specs import Deployment, VersionTraffic
from ..tables import deployments_text, duration, version_name, wanted
from .live import Live
from .markup import note, state_cell, table

if TYPE_CHECKING:
    from ..client import Client

__all__ = ("DeploymentList",)


class DeploymentList(Live):
    """All deployments.

    Args:
        client: Whom to ask.
        period: Seconds between two questions.
    """

    def __init__(self, client: Client, *, period: float = 1.0) -> None:
        super().__init__(period=period, lasts=900)
        self._client = client
        self.deployments: tuple[Deployment, ...] = ()
        self._read()

    def text(self) -> str:
        return deployments_text(self.deployments)

    def _build(self) -> list[ipywidgets.Widget]:
        self._table = ipywidgets.HTML()
        return [self._table]

    def _read(self) -> bool:
        found: list[Deployment] = []
        after: str | None = None
        while True:
            page = self._client.deployments(limit=500, after=after)
            found += page.deployments
            after = page.next
            if after is None:
                break
        self.deployments = tuple(found)
        return True

    def _draw(self) -> None:
        if not self.deployments:
            self._table.value = note("No deployments yet. Make one: %deploy net --example x")
            return
        head = ("deployment", "state", "model", "ready", "requests", "failed", "rate", "latency")
        self._table.value = table(head, [row for each in self.deployments for row in _rows(each)])


def _rows(deployment: Deployment) -> list[list[str]]:
    """One for the deployment, and one for each version beside a canary."""
    beside = deployment.versions if deployment.canary is not None else ()
    return [_row(deployment), *(_version(deployment, each) for each in beside)]


def _row(deployment: Deployment) -> list[str]:
    seen = deployment.traffic
    figures = ["–"] * 4
    if seen is not None:
        latency = "–" if seen.latency is None else duration(seen.latency)
        figures = [f"{seen.requests}", f"{seen.failed}", f"{seen.rate:.1f}/s", latency]
    return [
        deployment.name,
        state_cell(deployment.state),
        f"{deployment.spec.model}:{deployment.version}",
        f"{deployment.ready}/{wanted(deployment)}",
        *figures,
    ]


def _version(deployment: Deployment, seen: VersionTraffic) -> list[str]:
    return [
        "",
        "",
        version_name(deployment, seen.version),
        f"{seen.ready}",
        f"{seen.requests}",
        f"{seen.failed}",
        f"{seen.percent}%",
        "–" if seen.p95 is None else f"p95 {duration(seen.p95)}",
    ]
