"""Command about notices: how one is told of what became of jobs."""

from __future__ import annotations

import argparse
from typing import Any

from ..client import Client
from ..errors import InvalidRequest
from ..specs import Delivery, NoticeSettings
from ..tables import notices_text
from .jobs import show

__all__ = ("notices",)


def notices(options: argparse.Namespace, args: tuple[str, ...]) -> int:
    """``dllab notices --webhook URL --on failed``: what is not typed stays."""
    client = Client()
    wish = _wish(options, client.notices())
    seen = client.set_notices(**wish) if wish else client.notices()
    secret = seen.secret
    if options.test:
        seen = client.test_notices().model_copy(update={"secret": secret})
    show(options, seen, notices_text(seen))
    return int(options.test and any(one.state == "failed" for one in _tests(seen)))


def _tests(seen: NoticeSettings) -> list[Delivery]:
    """What the last test has sent: one by each way that is set."""
    sent = [one for one in seen.deliveries if one.kind == "test"]
    return sent[: sum(map(bool, (seen.webhook, seen.email)))]


def _wish(options: argparse.Namespace, before: NoticeSettings) -> dict[str, Any]:
    """Fields of a `NoticeWish`; none when nothing is to be changed."""
    typed = {"webhook": options.webhook, "email": options.email}
    wish: dict[str, Any] = {
        name: None if text == "none" else text for name, text in typed.items() if text is not None
    }
    if options.on is not None:
        wish["on"] = () if options.on == ["none"] else tuple(dict.fromkeys(options.on))
    if options.new_secret:
        if not (options.webhook or before.webhook):
            raise InvalidRequest("a secret is for a webhook.", hint="Say --webhook URL.")
        import secrets

        wish["secret"] = secrets.token_urlsafe(32)
    if not wish:
        return {}
    return {"webhook": before.webhook, "email": before.email, "on": before.on, **wish}
