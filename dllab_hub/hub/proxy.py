"""`LabProxy`: JupyterHub's proxy, which does not take an open page for a person who works."""

from __future__ import annotations

from typing import Any

from jupyterhub.proxy import ConfigurableHTTPProxy

__all__ = ("LabProxy",)


class LabProxy(ConfigurableHTTPProxy):  # type: ignore[misc]
    """Configured as ``c.ConfigurableHTTPProxy``.

    The proxy notes for each lab when bytes last went through it, and the hub takes that for the
    lab's last use. JupyterLab, TensorBoard and SSH send bytes for as long as they are open. What is
    use and what is not, the lab itself tells the hub (`dllab_hub.server.activity`).
    """

    async def get_all_routes(self) -> dict[str, Any]:
        """All routes, without when they were last used."""
        routes: dict[str, Any] = await super().get_all_routes()
        for route in routes.values():
            route["data"].pop("last_activity", None)
        return routes
