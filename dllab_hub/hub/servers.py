"""`HubServers`: people's servers, through the hub's own REST interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from ..errors import Unavailable

__all__ = ("HubServers",)


class HubServers:
    """Needs the scopes ``read:servers``, ``start:servers`` and ``delete:servers``.

    Args:
        env: The environment that the hub gives its services.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._http = httpx.AsyncClient(
            base_url=env["JUPYTERHUB_API_URL"].rstrip("/") + "/",
            headers={"Authorization": f"token {env['JUPYTERHUB_API_TOKEN']}"},
            # The hub answers a start after ten seconds at the latest.
            timeout=60,
            trust_env=False,
        )

    async def get(self, user: str, server: str) -> dict[str, Any] | None:
        """The hub's model of a server that runs, starts or stops; None when there is none.

        Raises:
            Unavailable: the hub does not answer, or does not let this service look.
        """
        answer = await self._ask("GET", f"users/{quote(user, safe='')}")
        if answer.status_code == 404:
            return None
        if answer.is_error:
            raise Unavailable(f"the hub answered {answer.status_code} to the lab service.")
        found: dict[str, Any] | None = answer.json().get("servers", {}).get(server)
        if found is not None and found.get("stopped") and not found.get("pending"):
            return None
        return found

    async def stop(self, user: str, server: str) -> None:
        """Stop it; returns while it still stops."""
        answer = await self._ask("DELETE", self._path(user, server))
        # 404 and 400: it has stopped, or does so already.
        if answer.status_code not in (202, 204, 400, 404):
            raise Unavailable(f"the hub does not stop the lab: {answer.status_code}.")

    async def start(self, user: str, server: str, options: Mapping[str, Any]) -> str:
        """Start it with these options; returns while it still starts.

        Returns:
            Why it cannot be started like that, or an empty string.
        """
        answer = await self._ask("POST", self._path(user, server), json=dict(options))
        if answer.is_success:
            return ""
        try:
            said = str(answer.json()["message"])
        except (ValueError, KeyError, TypeError):
            said = f"The hub answered {answer.status_code}."
        return said[:500]

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _path(self, user: str, server: str) -> str:
        path = f"users/{quote(user, safe='')}"
        return f"{path}/servers/{quote(server, safe='')}" if server else f"{path}/server"

    async def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, path, **more)
        except httpx.HTTPError as exc:
            raise Unavailable("the hub does not answer.", hint="Try again in a moment.") from exc
