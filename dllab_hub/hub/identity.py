"""Who may use the lab service: whoever the hub knows by a token that has the service's scope.

Tokens only. A browser's cookies are never looked at, so no page of another origin, and no page of
another person's lab, can make a request in somebody's name.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyterhub.services.auth import HubAuth
from tornado.web import HTTPError, RequestHandler
from traitlets import Instance, default

from ..errors import AccessDenied, Unavailable

__all__ = ("HubAuthorizer", "HubIdentityProvider", "HubUser")

_LOG = logging.getLogger(__name__)
_HEADER = re.compile(r"(?:token|bearer)\s+([\x21-\x7e]{1,1024})", re.IGNORECASE)
#: Seconds for which the hub's answer about a token counts.
_REMEMBER = 30
#: Seconds the hub has for an answer.
_PATIENCE = 10.0


class HubUser(User):  # type: ignore[misc]
    """A person of the hub, with their groups and what their token may do.

    Attributes:
        admin: Whether they are an administrator of the hub.
    """

    def __init__(
        self, name: str, scopes: Iterable[str], groups: Iterable[str] = (), *, admin: bool = False
    ) -> None:
        super().__init__(username=name)
        self.scopes = frozenset(scopes)
        self.groups = frozenset(groups)
        self.admin = admin


class HubIdentityProvider(IdentityProvider):  # type: ignore[misc]
    """Asks the hub whose token came with a request."""

    hub_auth = Instance(HubAuth)

    # No token of its own opens this server, and none is made up and logged.
    token = ""

    @default("hub_auth")  # type: ignore[untyped-decorator]
    def _default_hub_auth(self) -> HubAuth:
        # Address, token and TLS files come from the environment the hub gives its services.
        return HubAuth(cache_max_age=_REMEMBER, access_scopes={_scope()})

    async def get_user(self, handler: RequestHandler) -> User:
        """The person; where a key has let the request in, what has shown it.

        Raises:
            AccessDenied: no token came, the hub does not know it, or it belongs to a service.
            Unavailable: the hub cannot be asked.
        """
        if getattr(handler, "by_key", False):
            holder: User = handler._jupyter_current_user
            return holder
        found = _HEADER.fullmatch(handler.request.headers.get("Authorization", ""))
        model = await self._ask(found[1]) if found else None
        service = model is not None and model.get("kind") == "service"
        if model is not None and service and getattr(handler, "for_services", False):
            handler._token_authenticated = True
            # A service has no things of its own: it is let in only where it sees everybody's.
            return HubUser(f"service {model['name']}", model.get("scopes", ()), admin=True)
        if model is None or model.get("kind") != "user":
            raise AccessDenied(
                "no token of a person of this hub came with the request.",
                hint="In a notebook, restart the lab; elsewhere, send 'Authorization: token ...'.",
            )
        # A token is never sent by itself, as a cookie is: there is no other page to defend against.
        handler._token_authenticated = True
        # Groups are in it when the token has read:users:groups, as those of labs and people have.
        return HubUser(
            model["name"],
            model.get("scopes", ()),
            model.get("groups", ()),
            # With the name comes, for every token, whether it is an administrator's.
            admin=model.get("admin") is True,
        )

    async def close(self) -> None:
        """Close the connections to the hub."""
        with suppress(ImportError):  # JupyterHub 5 keeps none.
            from jupyterhub.httpclient import JupyterHubHTTPClient

            await JupyterHubHTTPClient.loop_instance().close()

    async def _ask(self, token: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(_PATIENCE):
                model: dict[str, Any] | None = await self.hub_auth.user_for_token(token, sync=False)
        except (HTTPError, TimeoutError) as exc:
            _LOG.warning("The hub could not be asked for a token: %s", exc)
            raise Unavailable(
                "the hub does not answer, so it is not known who you are.",
                hint="Try again in a moment.",
            ) from exc
        return model


class HubAuthorizer(Authorizer):  # type: ignore[misc]
    """Lets those in whose token may access this service."""

    def is_authorized(self, handler: RequestHandler, user: Any, action: str, resource: str) -> bool:
        """Whether the token has the scope; what it may do here does not depend on the verb."""
        if getattr(handler, "by_key", False):  # Whose deployment it opens has let it in.
            return True
        if not isinstance(user, HubUser):
            return False
        auth: HubAuth = self.identity_provider.hub_auth
        return bool(auth.check_scopes({_scope()}, {"scopes": user.scopes}))


def _scope() -> str:
    return f"access:services!service={os.environ.get('JUPYTERHUB_SERVICE_NAME', 'dllab')}"
