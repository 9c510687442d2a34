"""`ByFile`: an API server as a kubeconfig describes it; that is kubernetes_asyncio's business."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config import ConfigException

from .connection import Connection, no_way

__all__ = ("ByFile",)

_LOG = logging.getLogger(__name__)


class ByFile(Connection):
    """With the certificates and tokens of a kubeconfig, plugins for tokens included.

    Args:
        client: An ``ApiClient``.
        renewing: Its token.
    """

    def __init__(self, client: Any, renewing: asyncio.Task[None]) -> None:
        super().__init__(client.configuration.host, client.rest_client.pool_manager)
        self._client, self._renewing = client, renewing
        self._proxy = client.configuration.proxy

    @classmethod
    async def opened(cls, kubeconfig: str | None, context: str | None) -> ByFile:
        """See `Api.connect`."""
        # The default one is shared with every other user of the library in this process.
        settings: Any = type.__call__(Configuration)
        renewing = None
        try:
            loader = await config.load_kube_config(
                kubeconfig, context, settings, persist_config=False
            )
            renewing = asyncio.create_task(_renew(loader, settings))
            return cls(ApiClient(settings), renewing)
        except Exception as exc:  # A file that is no kubeconfig fails in many ways.
            if renewing:
                renewing.cancel()
            raise no_way(exc) from exc

    async def close(self) -> None:
        self._renewing.cancel()
        await asyncio.gather(self._renewing, return_exceptions=True)
        await self._client.close()

    async def authorization(self) -> str:
        headers: dict[str, str] = {}
        try:
            await self._client.update_params_for_auth(headers, [], ["BearerToken"])
        except ConfigException as exc:
            raise OSError(str(exc)) from exc
        return headers.get("authorization", headers.get("Authorization", ""))


async def _renew(loader: Any, settings: Any) -> None:
    """Renew a token that a kubeconfig's plugin gives for a time only."""
    while True:
        try:
            await config.refresh_token(loader, settings)
            return  # There is nothing to renew.
        except (ConfigException, OSError, ValueError) as exc:
            _LOG.warning("The token for the cluster cannot be renewed: %s", exc)
            await asyncio.sleep(60)
