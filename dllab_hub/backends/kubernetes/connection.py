"""How an API server is reached: from a pod as its service account, else as a kubeconfig says."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from ...errors import Unavailable
from .trouble import Unreachable

__all__ = ("JSON", "USER", "Connection", "InPod", "keep_alive", "no_way")

USER = "dllab-hub"
JSON = "application/json"


class Connection(ABC):
    """Connections to one API server, each request with the token that is valid now.

    Args:
        host: Its URL.
        session: Knows its certificate.
    """

    def __init__(self, host: str, session: aiohttp.ClientSession) -> None:
        self._host, self._session = host.rstrip("/"), session
        self._proxy: str | None = None
        # aiohttp would ask everything twice of a server that breaks connections off.
        session._retry_connection = False

    @classmethod
    async def configured(cls, kubeconfig: str | None, context: str | None) -> Connection:
        """See `Api.connect`."""
        if kubeconfig is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            return await InPod.opened()
        # Here, since what reads a kubeconfig brings 700 models that nobody needs: 58 MB.
        from .kubeconfig import ByFile

        return await ByFile.opened(kubeconfig, context)

    async def close(self) -> None:
        """End every connection."""
        await self._session.close()

    @abstractmethod
    async def authorization(self) -> str:
        """The header of that name; empty for none.

        Raises:
            OSError: the token cannot be read.
        """

    async def send(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object = None,
        content: str = JSON, limit: aiohttp.ClientTimeout | None = None, again: bool = False,
    ) -> aiohttp.ClientResponse:  # fmt: skip
        """Send one request; the answer with its body still to be read.

        Args:
            method: Such as ``GET``.
            path: From the root of the server.
            query: Empty values are left out.
            body: Anything JSON can hold; None for no body.
            content: Its type.
            again: Ask once more when the connection breaks off, as one does that lay idle.
            limit: Without one the caller sees to it that this does not take for ever.

        Raises:
            aiohttp.ClientError: and all that `told` knows.
        """
        headers = {"Accept": JSON, "Content-Type": content, "User-Agent": USER}
        try:
            if known := await self.authorization():
                headers["Authorization"] = known
        except OSError as exc:
            raise Unreachable(
                "the token of the lab's service account cannot be read.",
                "Ask the administrator to see to it.",
                said=str(exc),
            ) from exc
        while True:
            try:
                return await self._session.request(
                    method, self._host + path, headers=headers,
                    params={name: value for name, value in (query or {}).items() if value},
                    data=None if body is None else json.dumps(body),
                    timeout=limit or aiohttp.ClientTimeout(), proxy=self._proxy,
                )  # fmt: skip
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
                if not again or isinstance(exc, aiohttp.ClientConnectorError):
                    raise
                again = False


class InPod(Connection):
    """As the pod's service account
    (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
    """

    #: Where its token and the cluster's certificate are.
    account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    #: Seconds for which a token that was read is used: the kubelet replaces it in time.
    fresh = 60.0

    _token, _read_at = "", float("-inf")

    @classmethod
    async def opened(cls) -> InPod:
        """Read how to reach the API server.

        Raises:
            Unavailable: the pod has no service account.
        """
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        host = f"[{host}]" if ":" in host else host
        try:
            ca = str(cls.account / "ca.crt")
            trusted = await asyncio.to_thread(ssl.create_default_context, cafile=ca)
            session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
            made = cls(f"https://{host}:{port or 443}", session)
        except OSError as exc:  # An SSLError is one.
            raise no_way(exc) from exc
        try:
            await made.authorization()
        except OSError as exc:
            await made.close()
            raise no_way(exc) from exc
        return made

    async def authorization(self) -> str:
        if time.monotonic() - self._read_at > self.fresh:
            text = await asyncio.to_thread((self.account / "token").read_text)
            if not text.strip():
                raise OSError("the file of the token is empty")
            self._token, self._read_at = text.strip(), time.monotonic()
        return f"Bearer {self._token}"


def no_way(exc: Exception) -> Unavailable:
    """Nobody knows how to reach the cluster."""
    why = " ".join(str(exc).split()).rstrip(".") or type(exc).__name__
    return Unavailable(
        f"the lab does not know how to reach its cluster: {why}.",
        hint="Ask the administrator to see to the kubeconfig or the service account.",
    )


def keep_alive(response: aiohttp.ClientResponse) -> None:
    """Let the kernel notice within half a minute that nobody is there any more.

    A watch only listens: without this a network that swallows everything looks like a quiet day.
    """
    transport = response.connection.transport if response.connection else None
    peer = transport.get_extra_info("socket") if transport else None
    if peer is not None and hasattr(socket, "TCP_KEEPIDLE"):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("IDLE", 15), ("INTVL", 5), ("CNT", 3)):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{option}"), value)
