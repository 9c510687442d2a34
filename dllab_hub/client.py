"""`Client`: the lab from Python, in a notebook, a terminal or a script."""

from __future__ import annotations

import os
from typing import Any

from .admission import AdmissionClient
from .errors import Unavailable
from .history import HistoryClient
from .jobs import JobsClient
from .serving import ServingClient
from .specs import Alert, AlertList, Capacity, Catalog, GpuReport, Host, Lending, Silence
from .transport import Transport, path

__all__ = ("Client",)


class Client(JobsClient, HistoryClient, ServingClient, AdmissionClient):
    """Asks the lab's REST interface; every method is one request unless it says otherwise.

    >>> client = Client()                                                   # doctest: +SKIP
    >>> job = client.submit(TrainingSpec(name="hi", image="pytorch", code=Code(source="print(1)")))
    >>> client.wait(job.id).state                                           # doctest: +SKIP
    <JobState.SUCCEEDED: 'SUCCEEDED'>

    Errors are those of `dllab_hub.errors`, as the lab raised them. The verbs about jobs are
    `JobsClient`'s and `HistoryClient`'s, those about models and deployments `ServingClient`'s and
    `AdmissionClient`'s.

    Args:
        url: Ends in ``/dllab/api/``; by default ``DLLAB_API_URL``, which every lab sets.
        token: By default ``DLLAB_API_TOKEN``, else ``JUPYTERHUB_API_TOKEN``.

    Raises:
        Unavailable: no URL is given and none is set.
    """

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        url = url or os.environ.get("DLLAB_API_URL")
        if not url:
            raise Unavailable(
                "there is no lab around this process: DLLAB_API_URL is not set.",
                hint="Run it in a notebook or terminal of a lab, or pass url= and token=.",
            )
        if token is None:
            token = os.environ.get("DLLAB_API_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN", "")
        super().__init__(Transport(url, token))

    @property
    def url(self) -> str:
        """Whom it asks."""
        return self._transport.url

    def status(self) -> dict[str, Any]:
        """Who I am and what answers: ``{"user", "version", "backend", "mode"}``."""
        return self._transport.ask("GET", "status", dict)

    def catalog(self) -> Catalog:
        """What can be picked."""
        return self._transport.ask("GET", "catalog", Catalog.from_wire)

    def capacity(self, gpus: int | None = None, target: str | None = None) -> Capacity:
        """GPUs free and held, and what a request for ``gpus`` of them would meet; at the usual
        place, or at the one that ``target`` names.
        """
        return self._transport.ask("GET", "capacity", Capacity.from_wire, gpus=gpus, target=target)

    def lend(self, lab: str, lend: bool = True) -> Capacity:
        """Let your jobs use the GPUs of a lab of yours (its id is in the holder of a GPU), or no
        longer; what is free then.
        """
        body = Lending(lab=lab, lend=lend).to_wire()
        return self._transport.ask("PUT", "gpus/lend", Capacity.from_wire, body=body)

    def gpus(self) -> GpuReport:
        """All GPUs as of about a second ago."""
        return self._transport.ask("GET", "gpus", GpuReport.from_wire)

    def host(self) -> Host:
        """CPU, memory and disks of the machine or container that the lab runs in."""
        return self._transport.ask("GET", "host", Host.from_wire)

    def alerts(self) -> AlertList:
        """What is wrong with my GPUs, jobs and deployments, or was a moment ago."""
        return self._transport.ask("GET", "alerts", AlertList.from_wire)

    def silence(self, id: str, minutes: int = 60) -> Alert:
        """Be told nothing of an alert for a while, a week at most."""
        body = Silence(minutes=minutes).to_wire()
        return self._transport.ask("PUT", path("alerts", id, "silence"), Alert.from_wire, body=body)

    def speak(self, id: str) -> Alert:
        """End a silence."""
        return self._transport.ask("DELETE", path("alerts", id, "silence"), Alert.from_wire)

    def tensorboard_url(self) -> str | None:
        """Path of this lab's TensorBoard on the hub's address, or None where there is none."""
        prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
        if prefix and os.environ.get("DLLAB_TENSORBOARD") != "0":
            return f"{prefix}tensorboard/"
        return self._transport.ask(
            "GET", "tensorboards", lambda a: next((str(b["url"]) for b in a["tensorboards"]), None)
        )

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
