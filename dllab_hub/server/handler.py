"""`LabHandler`: what all routes share: who asks, one form of answer, one form of error.

It runs unchanged in a Jupyter server and in the lab service. What differs, who may come in, is in
the application's settings ``identity_provider`` and ``authorizer``; what is served is in ``dllab``.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from jupyter_server._tz import utcnow
from jupyter_server.auth.decorator import authorized
from jupyter_server.auth.identity import User
from jupyter_server.base.handlers import APIHandler
from tornado.web import HTTPError, authenticated, stream_request_body

from ..backends.base import Backend
from ..backends.serving import Serving
from ..errors import AccessDenied, DLLabError, InvalidRequest, NotFound, TooLarge, Unavailable
from ..specs import Value
from .audit import Deed
from .body import MAX_BODY_BYTES, read_object
from .lab import Lab
from .query import Query

__all__ = ("LabHandler", "Nowhere", "allowed")

_T = TypeVar("_T")
#: Verbs that the audit log has to know of, and answers whatever the verb was.
_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
#: Of a body that is refused so much is let pass before the answer: the hub's proxy makes a 503 of
#: an answer that comes before it has sent everything. What is larger still is cut off.
_LET_PASS = 64 * 1024 * 1024
_Verb = TypeVar("_Verb", bound=Callable[..., Awaitable[None]])


def allowed(verb: _Verb) -> _Verb:
    """A verb for those who are signed in and whom the host's authorizer lets in. On every verb."""
    checked: _Verb = authenticated(authorized(verb))
    return checked


@stream_request_body
class LabHandler(APIHandler):  # type: ignore[misc]
    """Base of all routes.

    The body is taken in piece by piece, and not at all before it is known who sends it: too large
    a one is refused and never kept, whatever the server's own limit is.
    """

    auth_resource = "dllab"
    #: Bytes of a body at most.
    max_body = MAX_BODY_BYTES
    #: Whether verbs but GET change something here; what does not is in the audit log if refused.
    changes: ClassVar[bool] = True
    #: Whether there is nothing to answer until the backend has started.
    needs_backend: ClassVar[bool] = True
    #: Whether services of the hub may come in as well as people.
    for_services: ClassVar[bool] = False
    #: Whether a key of the one thing that is asked has let this request in.
    by_key = False
    _code = _made = ""  # Of the error; of what was made.
    _is_taken = False
    _arrived = 0  # Bytes of the body.
    _refused: DLLabError | None = None  # What is wrong with it.

    @property
    def lab(self) -> Lab:
        """What is served."""
        lab: Lab = self.settings["dllab"]
        return lab

    @property
    def backend(self) -> Backend:
        """Where jobs run."""
        return self.lab.backend

    @property
    def serving(self) -> Serving:
        """Where models are."""
        return self.lab.backend.serving

    @property
    def owner(self) -> str:
        """The person who asks. Never from the request's text: only from who they proved to be."""
        return self.lab.owner or str(self.current_user.username)

    @property
    def groups(self) -> frozenset[str]:
        """Groups of the hub that the person is in; empty where there is no hub."""
        return frozenset(getattr(self.current_user, "groups", ()))

    @property
    def viewer(self) -> str | None:
        """Whose names the person may see: their own. None is everybody's: for an administrator, and
        where there is nobody else.
        """
        if self.lab.owner is not None or getattr(self.current_user, "admin", False):
            return None
        return self.owner

    async def prepare(self) -> None:
        """Find out who asks, then whether there is anything to ask."""
        self._body = bytearray()
        self._let_kernel_in()
        await self.recognise()
        await super().prepare()
        if self.request.method == "OPTIONS":  # A browser asks, before it signs in, whether it may.
            return
        if self.current_user is None:
            raise HTTPError(HTTPStatus.FORBIDDEN)
        if self.needs_backend:
            self.lab.check()
        length = self.request.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,19}", length, re.ASCII):
            raise InvalidRequest("the Content-Length is not a number.")
        try:
            await self.announced(int(length))
        except DLLabError as exc:
            if int(length) > _LET_PASS:
                raise
            self._refused = exc
        self._is_taken = True

    async def recognise(self) -> None:
        """Find out who asks where it is not a token that says so."""

    async def announced(self, length: int) -> None:
        """Decide on a body of so many bytes before it comes; 0 says nothing about its length.

        Raises:
            TooLarge: it is larger than `max_body`.
        """
        if length > self.max_body:
            raise self.too_large()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A piece of the body. Those of one that is refused are not kept."""
        self._arrived += len(chunk)
        if self._refused is None and self._arrived > self.max_body:
            self.refuse(self.too_large())
        elif self._refused is None:
            self._body += chunk
        else:
            self.refuse(self._refused)
        return None

    def refuse(self, exc: DLLabError) -> None:
        """Keep nothing of the body; answer now, and end the connection, if much of it has come."""
        self._refused = exc
        self._body.clear()
        if self._arrived > _LET_PASS:
            self._is_taken = False
            self.send_error(exc.status, exc_info=(type(exc), exc, None))

    def check_body(self) -> None:
        """Nothing when the body was taken in, as far as it was kept.

        Raises:
            DLLabError: it was refused.
        """
        if self._refused is not None:
            raise self._refused

    @property
    def body(self) -> bytes:
        """All of the body.

        Raises:
            TooLarge: it is larger than `max_body`.
        """
        self.check_body()
        return bytes(self._body)

    def too_large(self) -> TooLarge:
        """The error for a body of more than `max_body`."""
        return TooLarge(f"the request is larger than {self.max_body // 1024 // 1024} MiB.")

    async def read(self, make: Callable[[dict[str, Any]], _T]) -> _T:
        """What ``make`` makes of the JSON object in the body; made in a thread.

        Raises:
            InvalidRequest: it is none, or ``make`` says so.
            TooLarge: it is larger than `max_body`.
        """
        return await asyncio.to_thread(read_object, self.body, make)

    def query(self, *known: str, repeatable: tuple[str, ...] = ()) -> Query:
        """The query; keys that are not named here are refused."""
        return Query(self.request.query_arguments, known, repeatable)

    def reply(self, answer: Value | dict[str, Any], status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer with a value, or with JSON types."""
        self.set_status(status)
        if status == HTTPStatus.CREATED:
            self._made = str(getattr(answer, "id", "") or getattr(answer, "name", ""))
        text = answer.model_dump_json() if isinstance(answer, Value) else json.dumps(answer)
        self.finish(text)

    def set_default_headers(self) -> None:
        """What an answer says is true now and for this person."""
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def update_api_activity(self) -> None:
        """Looking on does not keep a lab from being stopped when idle; doing something does."""
        if self.request.method != "GET" and getattr(self, "_jupyter_current_user", None):
            self.settings["api_last_activity"] = utcnow()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The one place where an exception becomes an answer."""
        exc = kwargs.get("exc_info", (None, None, None))[1]
        if exc is None and status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            # So tornado answers when the server ends and this request with it.
            status_code = HTTPStatus.SERVICE_UNAVAILABLE
        error = exc if isinstance(exc, DLLabError) else _of_status(status_code, exc)
        self._code = error.code
        self.set_status(error.status if isinstance(exc, DLLabError) else status_code)
        if not self._is_taken:
            # tornado closes a connection whose request was not read to its end; say so.
            self.set_header("Connection", "close")
        self.finish(json.dumps(error.to_wire()))

    def on_finish(self) -> None:
        """Who changed something, or was refused, is written down where there is an audit log."""
        super().on_finish()
        audit, asked, status = self.lab.audit, self.request, self.get_status()
        changed = self.changes and asked.method in _CHANGING
        if audit is not None and (changed or status in _REFUSED):
            known = getattr(self, "_jupyter_current_user", None) is not None
            person = self.owner if known else ""
            where, from_ = asked.path, audit.address(asked)
            deed = Deed(person, asked.method, where, status, self._code, self._made, from_)
            audit.note(deed)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """An error that was raised on purpose is no fault: its line in the access log is enough."""
        if not isinstance(value, DLLabError) or value.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            super().log_exception(typ, value, tb)

    def _let_kernel_in(self) -> None:
        """A kernel of a server without a token of its own has one for these routes only."""
        given = self.request.headers.get("Authorization", "").removeprefix("token ")
        if self.lab.token and hmac.compare_digest(given.encode(), self.lab.token.encode()):
            # Jupyter Server's own identity provider takes these two as a user it has checked.
            self._jupyter_current_user = User("kernel")
            self._token_authenticated = True


class Nowhere(LabHandler):
    """Every address below ours at which there is nothing, as JSON and not as a page."""

    @allowed
    async def get(self, *_: str) -> None:
        """Refuse."""
        raise NotFound("there is nothing at this address.")

    put = post = patch = delete = head = get


def _of_status(status: int, exc: BaseException | None) -> DLLabError:
    """What Jupyter Server or tornado raised, in our words; nothing of theirs is passed on."""
    if status == HTTPStatus.FORBIDDEN and "_xsrf" in str(getattr(exc, "log_message", "")):
        return AccessDenied(
            "the request carries no valid XSRF token.", hint="Reload the page and try again."
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AccessDenied(
            "no sign-in that is valid here came with the request.",
            hint="Reload the page; in a notebook, restart the kernel.",
        )
    if status == HTTPStatus.NOT_FOUND:
        return NotFound("there is nothing at this address for this page.")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return InvalidRequest("this address does not take this method.")
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest("the request cannot be understood.")
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return DLLabError("something went wrong here.", hint="The server's log says what.")
    return Unavailable("the server cannot answer now.", hint="Try again in a moment.")
