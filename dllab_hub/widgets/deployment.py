"""`DeploymentView`: one deployment as it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import ipywidgets

from ..deployed import Deployed
from ..errors import NotFound
from ..specs import (
    MAX_REPLICAS,
    Deployment,
    DeploymentReplica,
    DeploymentState,
    ReplicaState,
    VersionTraffic,
)
from ..tables import (
    age,
    deployment_reason,
    deployment_text,
    duration,
    scaling,
    traffic,
    version_name,
    wanted,
)
from .live import Live
from .log import Tail
from .markup import alert, link, log, note, state, state_cell, table

__all__ = ("DeploymentView",)

_LINES = 20


class DeploymentView(Live):
    """State, versions, replicas, traffic, address and the end of a replica's log; scaling, ending a
    canary and deleting.

    Args:
        deployed: The handle; the view keeps its ``info`` fresh.
        period: Seconds between two questions.
    """

    def __init__(self, deployed: Deployed, *, period: float = 1.0) -> None:
        # It has no end of its own: a forgotten cell must not ask for days.
        super().__init__(period=period, lasts=3600)
        self.deployed = deployed
        self._gone = False
        self._tail: Tail[str] = Tail(
            lambda replica, offset, limit: deployed.client.deployment_logs(
                deployed.name, replica=replica, offset=offset, limit=limit
            )
        )

    def text(self) -> str:
        if self._gone:
            return f"{self.deployed.name} is deleted"
        return deployment_text(self.deployed.info)

    def _build(self) -> list[ipywidgets.Widget]:
        self._state, self._facts = ipywidgets.HTML(), ipywidgets.HTML()
        self._replicas, self._log = ipywidgets.HTML(), ipywidgets.HTML()
        self._where, self._versions = ipywidgets.HTML(), ipywidgets.HTML()
        self._fewer = _button("−", "One replica less", lambda: self._scale(-1))
        self._more = _button("+", "One replica more", lambda: self._scale(1))
        self._count = ipywidgets.HTML()
        self._promote = _button(
            "Promote", "The canary answers all requests", lambda: self._do(self.deployed.promote)
        )
        self._back = _button(
            "Roll back", "The canary answers nothing more", lambda: self._do(self.deployed.rollback)
        )
        self._ask = _button("Delete", "Serve it no more", lambda: self._confirm(True))
        self._yes = _button("Yes, delete it", "The model stays", self._delete)
        self._yes.button_style = "danger"
        self._no = _button("No, keep it", "", lambda: self._confirm(False))
        for narrow in (self._fewer, self._more):
            narrow.layout.width = "40px"
        self._buttons = ipywidgets.HBox(
            [
                *(self._fewer, self._count, self._more, self._promote, self._back),
                *(self._ask, self._yes, self._no),
            ]
        )
        self._confirm(False)
        return [
            *(self._state, self._facts, self._where, self._versions),
            *(self._replicas, self._log, self._buttons),
        ]

    def _read(self) -> bool:
        try:
            self.deployed.refresh()
        except NotFound:
            self._gone = True
            return False
        if replica := self._shown():
            with suppress(NotFound):  # The replica ended between the two questions.
                self._tail.read(replica)
        return True

    def _shown(self) -> str | None:
        """Whose log is of interest: the first replica that is in trouble, else the newest."""
        replicas = self.deployed.info.replicas
        troubled = (ReplicaState.FAILED, ReplicaState.RESTARTING)
        names = [each.name for each in replicas if each.state in troubled]
        return next(iter([*names, *(each.name for each in replicas[::-1])]), None)

    def _draw(self) -> None:
        if self._gone:
            self._state.value = note(f"{self.deployed.name} is deleted; its model stays.")
            self._facts.value = self._where.value = self._versions.value = ""
            self._replicas.value = self._log.value = ""
            self._buttons.layout.display = "none"
            return
        info = self.deployed.info
        now = time.time()
        self._state.value = f"{state(info.state, deployment_reason(info))} {note(info.name)}"
        facts = [
            f"{info.ready} of {wanted(info)} ready",
            f"version {info.version} of {info.spec.model}",
            scaling(info),
            traffic(info.traffic),
        ]
        warning = alert([info.warning] if info.warning else [])
        self._facts.value = note(" · ".join(fact for fact in facts if fact)) + warning
        self._where.value = link(info.url, info.url) or note(info.url)
        self._versions.value = _versions(info)
        head = ("replica", "state", "version", "restarts", "age", "")
        rows = [_row(replica, now) for replica in info.replicas]
        self._replicas.value = table(head, rows) if rows else ""
        self._log.value = log(self._tail.text, _LINES)
        count, (fewest, most) = info.wished, _bounds(info)
        self._count.value = note(f"{count} replica{'' if count == 1 else 's'}")
        over = info.state is DeploymentState.DELETING
        self._fewer.disabled = over or count <= fewest
        self._more.disabled = over or count >= most
        self._ask.disabled = over
        for button in (self._promote, self._back):
            button.layout.display = "none" if info.canary is None else ""
            button.disabled = over

    def _scale(self, by: int) -> None:
        count, (fewest, most) = self.deployed.info.wished + by, _bounds(self.deployed.info)
        if fewest <= count <= most:
            self._do(lambda: self.deployed.scale(count))

    def _do(self, act: Callable[[], object]) -> None:
        self._try(act)
        self._draw()

    def _confirm(self, asking: bool) -> None:
        self._ask.layout.display = "none" if asking else ""
        self._yes.layout.display = self._no.layout.display = "" if asking else "none"

    def _delete(self) -> None:
        self._confirm(False)
        self._ask.disabled = True  # The next answer tells whether it may be pressed again.
        self._try(self.deployed.delete)


def _button(name: str, tooltip: str, does: Callable[[], None]) -> ipywidgets.Button:
    button = ipywidgets.Button(description=name, tooltip=tooltip)
    button.on_click(lambda _: does())
    return button


def _bounds(info: Deployment) -> tuple[int, int]:
    """Fewest and most replicas that a person may wish for; with none nothing is wished for."""
    bounds = info.spec.autoscale
    return (1, MAX_REPLICAS) if bounds is None else (max(1, bounds.min), bounds.max)


def _versions(info: Deployment) -> str:
    """What each version does, where there is a canary."""
    if info.canary is None or not info.versions:
        return ""
    head = ("version", "part", "ready", "requests", "failed", "p50", "p95", "p99")
    return table(head, [_version(info, each) for each in info.versions])


def _version(info: Deployment, seen: VersionTraffic) -> list[str]:
    return [
        version_name(info, seen.version),
        f"{seen.percent}%",
        f"{seen.ready}",
        f"{seen.requests}",
        f"{seen.failed}",
        *("–" if each is None else duration(each) for each in (seen.p50, seen.p95, seen.p99)),
    ]


def _row(replica: DeploymentReplica, now: float) -> list[str]:
    return [
        replica.name,
        state_cell(replica.state),
        f"{replica.version}",
        f"{replica.restarts}",
        "" if replica.started is None else age(now - replica.started),
        replica.reason,
    ]
