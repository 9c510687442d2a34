"""`ClusterCapacity`: what a lab's wish for GPUs would meet on the cluster that the hub runs on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ..backends.kubernetes.api import Api
from ..backends.kubernetes.machines import Machines
from ..errors import DLLabError
from ..manifests.nodes import forecasts_on_cluster
from ..specs import Catalog, Forecast

__all__ = ("ClusterCapacity",)

_LOG = logging.getLogger(__name__)
#: Seconds that the first form waits for the first look, and the pause before another attempt.
_FIRST, _AGAIN = 3.0, 60.0


class ClusterCapacity:
    """One for all spawners of a hub. It begins to look when the first form is shown.

    Without the right to list nodes, or while the cluster does not answer, nothing is foretold.
    """

    def __init__(self) -> None:
        self._machines: Machines | None = None
        self._opening: asyncio.Task[None] | None = None

    async def forecasts(
        self, owner: str, catalog: Catalog, **lab: Any
    ) -> Mapping[str, Sequence[Forecast]]:
        """By type of GPU, ``""`` for any: the answer for 0, 1, 2, ...; empty where nobody knows.

        Args:
            owner: Who asks; nobody else's names are in the answers.
            catalog: As this person may see it.
            lab: What every lab gets; see `forecasts_on_cluster`.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name="dllab-machines")
        if self._machines is None:
            await asyncio.wait({self._opening}, timeout=_FIRST)
        if self._machines is None:
            return {}
        try:
            nodes, pods = self._machines.rows()
        except DLLabError as exc:
            _LOG.info("The form foretells nothing: %s", exc)
            return {}
        return await asyncio.to_thread(
            lambda: forecasts_on_cluster(owner, nodes, pods, catalog, **lab)
        )

    async def _open(self) -> None:
        while self._machines is None:
            try:
                self._machines = await _machines()
            except DLLabError as exc:
                _LOG.warning("The form foretells nothing for now: %s", exc)
                await asyncio.sleep(_AGAIN)
            except Exception:
                _LOG.exception("The form foretells nothing for now.")
                await asyncio.sleep(_AGAIN)


async def _machines() -> Machines:
    api = await Api.connect()
    machines = Machines(api)
    try:
        await machines.start(_FIRST)
    except BaseException:
        await machines.close()
        await api.close()
        raise
    return machines
