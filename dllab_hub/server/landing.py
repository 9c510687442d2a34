"""The page after the start, at ``{base_url}dllab/``: where everything of the lab is.

A page of its own and not of JupyterLab: it is there at once, in a telephone's browser too, and
works without scripts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError

from .._version import __version__
from .handler import allowed
from .lab_view import KEY, Place, origin

__all__ = ("Words", "language", "routes")

_FILES = Path(__file__).parent / "templates"
_ASSETS = {"landing.css": "text/css", "landing.js": "text/javascript"}
_ENV = Environment(
    loader=FileSystemLoader(_FILES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)


class Words(dict[str, str]):
    """A language's sentences by the English ones; English where there is none."""

    def __missing__(self, english: str) -> str:
        return english


def language(header: str, chosen: str = "") -> str:
    """``zh`` or ``en``: what was chosen, else the first of ``Accept-Language`` that we have.

    >>> language("fr-CH, zh-CN;q=0.9, en;q=0.8")
    'zh'
    """
    weighted: list[tuple[float, int, str]] = []
    for place, part in enumerate(header.split(",")):
        tag, _, rest = part.strip().lower().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", rest)
        weighted.append((-float(found[1]) if found else -1.0, place, tag))
    wanted = [chosen.lower(), *(tag for weight, _, tag in sorted(weighted) if weight)]
    return next((tag[:2] for tag in wanted if re.match(r"(zh|en)(-|\Z)", tag)), "en")


class Landing(JupyterHandler):  # type: ignore[misc]
    """The page."""

    auth_resource = "dllab"

    @property
    def content_security_policy(self) -> str:
        """Nothing but our own files, and no script in the page itself."""
        return _POLICY

    @allowed
    async def get(self) -> None:
        """Show it."""
        place: Place = self.settings[KEY]
        chosen = self.get_query_argument("lang", "") or self.get_cookie("dllab-lang", "") or ""
        lang = language(self.request.headers.get("Accept-Language", ""), chosen)
        public = origin(self)
        home = place.hub("home")
        page = _ENV.get_template("landing.html").render(
            lab=place.view(public),
            lang="zh-CN" if lang == "zh" else "en",
            t=_WORDS[lang],
            base=self.base_url,
            assets=url_path_join(self.base_url, "dllab/page/"),
            home=home,
            token_page=f"{public}{place.hub('token')}" if home else "",
            xsrf=self.xsrf_token.decode(),
            version=__version__,
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", "Accept-Language, Cookie")
        self.set_header("Referrer-Policy", "same-origin")
        self.finish(page)


class Asset(JupyterHandler):  # type: ignore[misc]
    """Its style and its script."""

    auth_resource = "dllab"

    @allowed
    async def get(self, name: str) -> None:
        """One of the two."""
        if name not in _CONTENT:
            raise HTTPError(HTTPStatus.NOT_FOUND)
        self.set_header("Content-Type", f"{_ASSETS[name]}; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "private, max-age=3600")
        self.finish(_CONTENT[name])


class ToLanding(JupyterHandler):  # type: ignore[misc]
    """The same address without its slash."""

    auth_resource = "dllab"

    @allowed
    async def get(self) -> None:
        """Go there."""
        self.redirect(url_path_join(self.base_url, "dllab/"))


def routes(base_url: str) -> list[tuple[str, type[JupyterHandler]]]:
    """Patterns and handlers."""
    base = re.escape(url_path_join(base_url, "dllab"))
    return [(base, ToLanding), (f"{base}/", Landing), (f"{base}/page/([a-z.]+)", Asset)]


def _read_words() -> Mapping[str, Words]:
    chinese: dict[str, Any] = json.loads((_FILES / "landing.zh.json").read_text(encoding="utf-8"))
    return {"en": Words(), "zh": Words(chinese)}


_WORDS = _read_words()
_CONTENT = {name: (_FILES / name).read_bytes() for name in _ASSETS}
