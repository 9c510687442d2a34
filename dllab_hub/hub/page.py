"""`LabForm`: the login form as both spawners show it, in the person's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from traitlets import HasTraits, default

from ..errors import DLLabError, InvalidRequest
from .form import Offer, Place, render
from .options import Refused, brings_code, from_form, from_query
from .words import COOKIE, Words, language_of

__all__ = ("LabForm",)


@dataclass(frozen=True)
class _Asked:
    """A form or a link that came in and was not accepted yet."""

    server: str
    language: str
    options: Mapping[str, Any]


class LabForm(HasTraits):  # type: ignore[misc]
    """What a spawner needs so that people pick their lab with our form; stands before its class.

    Methods to write:

    - ``offer() -> Offer``: what may be picked, in the words of `words`.
    """

    # A spawner has them.
    user: Any
    hub: Any
    handler: Any
    name: str
    #: Of the page that was shown last; the page that waits for the lab speaks it too.
    language: str = "en"
    _asked: _Asked | None = None

    async def offer(self) -> Offer:
        """What the form shows."""
        raise NotImplementedError

    @property
    def words(self) -> Words:
        """For the hub's own templates."""
        return Words(self.language)

    @default("options_form")  # type: ignore[untyped-decorator]
    def _default_options_form(self) -> Any:
        return type(self)._show

    @default("options_from_form")  # type: ignore[untyped-decorator]
    def _default_options_from_form(self) -> Any:
        def read(data: Mapping[str, list[Any]], spawner: LabForm) -> dict[str, Any]:
            return spawner.read_form(data)

        return read

    def options_from_query(self, query_data: dict[str, list[str]]) -> dict[str, Any]:
        """The options of a link that starts a lab at once.

        Raises:
            Refused: it would run code that a stranger may have chosen; the form shows it instead.
        """
        options = from_query(query_data)
        self.language = self._default.language = self._language(None)
        self._asked = _Asked(self.name, self.language, options)
        self.handler = None  # The form is shown for this link now; see `_show`.
        if field := brings_code(options):
            # Any page of the web can send a browser to a link, as the person who is logged in.
            raise Refused(
                InvalidRequest(
                    "a link does not start by itself what brings code along.",
                    hint="Look at it, then press Start.",
                    field=field,
                )
            )
        return options

    def read_form(self, data: Mapping[str, list[Any]]) -> dict[str, Any]:
        """The options of a posted form, kept in case the form has to be shown again.

        When a start is refused JupyterHub shows the form of the person's *default* server, with no
        request at hand, whichever server it was: what was typed waits there.
        """
        options = from_form(data)
        marks = data.get("form") or [""]
        language = language_of("", str(marks[0]))
        self.language = language
        self._default._asked = _Asked(self.name, language, options)
        self._default.handler = None  # Of an earlier visit; see `_show`.
        return options

    @property
    def _default(self) -> LabForm:
        found: LabForm = self.user.spawner
        return found

    async def _show(self) -> str:
        """The form's HTML.

        Raises:
            Refused: the catalog is wrong, or no image is there.
        """
        asked, self._asked = self._asked, None
        if self.handler is not None:
            asked = None  # JupyterHub sets it for visits only, so this is a new one.
        # JupyterHub renders the page around the form with the default server's spawner.
        self.language = self._default.language = self._language(asked)
        server = asked.server if asked else self.name
        try:
            offer = await self.offer()
        except DLLabError as exc:
            raise Refused(exc) from exc
        place = self._place(server)
        usual = {"image": offer.catalog.default_image, "tensorboard": "on"}
        typed = {**usual, **asked.options} if asked else None
        # A new named lab begins with what its person picked for the first one.
        options = self.user.spawners[server].user_options or self._default.user_options
        return render(offer, options, self.language, place=place, typed=typed)

    def _language(self, asked: _Asked | None) -> str:
        if asked:
            return asked.language
        if self.handler is None:
            return self.language
        accept = self.handler.request.headers.get("Accept-Language", "")
        return language_of(accept, self.handler.get_cookie(COOKIE, "") or "")

    def _place(self, server: str) -> Place:
        spawners = self.user.spawners
        return Place(
            url=f"{self.hub.base_url}spawn/{self.user.escaped_name}",
            home=f"{self.hub.base_url}home",
            server=server,
            running=tuple(sorted(name for name, other in spawners.items() if other.active)),
            named=bool(self.user.allow_named_servers),
        )
