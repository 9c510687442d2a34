"""One question to a lab's REST interface: how it is put, and how its answer is read.

Nothing here sends anything: both kinds of `transport` do.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx

from .errors import AccessDenied, DLLabError, InvalidRequest, NotFound, Unavailable

__all__ = (
    "BYTES",
    "ENDLESS",
    "Face",
    "PATIENT",
    "RawAnswer",
    "content_of",
    "opened",
    "params_of",
    "path",
    "pieces_of",
    "received",
    "understood",
    "with_facts",
)

_T = TypeVar("_T")

#: Seconds. A lab answers in milliseconds; a machine that swaps may need far longer.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
#: Seconds for what takes its time: a large file that is looked through, a slow model.
PATIENT = httpx.Timeout(600.0, connect=5.0)
#: Of what comes as it happens. A line, empty when there is no news, comes every few seconds.
ENDLESS = httpx.Timeout(60.0, connect=5.0)
_PIECE = 1024 * 1024
BYTES = "application/octet-stream"
#: Bytes of what an address says of the body. A proxy in Node, such as JupyterHub's, takes 16 KiB
#: of address and headers together, and answers the rest without a word that helps.
_MOST_FACTS = 12 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def path(*segments: str) -> str:
    """A relative path whose segments are quoted, so that no id can reach another route.

    >>> path("jobs", "../x", "logs")
    'jobs/..%2Fx/logs'
    """
    # A bare ".." would be resolved by the URL library whatever its quoting.
    return "/".join(quote(s, safe="") if s.strip(".") else s.replace(".", "%2E") for s in segments)


def with_facts(path: str, facts: Mapping[str, str]) -> str:
    """The path with what is said of a file that is the body itself, nothing when nothing is said.

    Raises:
        InvalidRequest: that is longer than every proxy lets pass; names the longest part of it.
    """
    query = urlencode(facts)
    if len(query) > _MOST_FACTS:
        longest = max(facts, key=lambda key: len(quote(facts[key])))
        raise InvalidRequest(
            f"is too long to travel with a file: {len(query)} bytes in an address that may have "
            f"{_MOST_FACTS}.",
            hint="Give a smaller example, with fewer rows." if longest == "example" else "",
            field=longest,
        )
    return f"{path}?{query}" if query else path


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came.

    Attributes:
        status: Of HTTP.
        body: Without its transfer and content encoding.
        headers: By lower-case name.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


class Face:
    """What both transports share: where to, as whom, and how an answer is read."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url if url.endswith("/") else url + "/"
        try:
            parts = urlsplit(self.url)
            here = parts.hostname in _LOOPBACK
            known = parts.scheme in ("http", "https", "http+unix") and parts.netloc
            httpx.URL(self.url)
            _ = parts.port  # Looks at it.
        except (ValueError, httpx.InvalidURL):
            known = ""
        if not known:
            raise Unavailable(
                "the lab's address is not an http URL.", hint="Check DLLAB_API_URL.", field="url"
            )
        if not token.isascii() or not token.isprintable():
            raise Unavailable("the lab's token is not one.", hint="Check DLLAB_API_TOKEN.")
        self.socket = unquote(parts.netloc) if parts.scheme == "http+unix" else None
        self.options: dict[str, Any] = {
            "base_url": self.url if self.socket is None else f"http://localhost{parts.path}",
            "headers": {"Authorization": f"token {token}"} if token else {},
            "timeout": TIMEOUT,
            # A proxy of the environment cannot reach what listens on this machine only.
            "trust_env": not here and self.socket is None,
            # Nobody signs certificates for loopback; what is said there never leaves the machine.
            "verify": not here and self.socket is None,
        }

    def beside(self, url_path: str) -> httpx.URL:
        """An absolute path at the same origin, as an address; the token goes nowhere else."""
        segments = unquote(url_path.partition("?")[0]).split("/")
        try:
            # The URL library would resolve the dots, and reach another route.
            if url_path[:1] != "/" or not {".", ".."}.isdisjoint(segments):
                raise ValueError(url_path)
            return httpx.URL(self.options["base_url"]).copy_with(raw_path=url_path.encode("ascii"))
        except (ValueError, httpx.InvalidURL):
            raise NotFound("there is no such address.") from None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Silence on the other side is `Unavailable`."""
        try:
            yield
        except httpx.RequestError as exc:
            raise self._silent(exc) from exc

    _GONE = "Is the lab still there? After a restart of it, restart the kernel too."

    def _silent(self, exc: httpx.RequestError) -> Unavailable:
        said = "the answer broke off"
        hint = "It may be starting again: try once more, then ask who runs the lab."
        if isinstance(exc, httpx.ConnectError):
            said, hint = "nothing answers", self._GONE
        elif isinstance(exc, httpx.TimeoutException):
            said = "no answer came in time"
        return Unavailable(f"{said} at {self.url}.", hint=hint)


@contextmanager
def opened(file: Path, content_type: str) -> Iterator[tuple[BinaryIO, dict[str, Any]]]:
    """A file to send, and the rest of the request that sends it."""
    try:
        source = file.open("rb")
    except (OSError, ValueError) as exc:  # Of a NUL in its name.
        why = getattr(exc, "strerror", None) or str(exc)
        raise InvalidRequest(f"{file.name} cannot be read: {why.lower()}.", field="file") from exc
    with source as pieces:
        size = str(pieces.seek(0, 2))  # Without it the far side refuses only after the last byte.
        pieces.seek(0)
        headers = {"Content-Type": content_type, "Content-Length": size}
        yield pieces, {"headers": headers, "timeout": PATIENT}


@contextmanager
def received(target: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file to write into: it has its name once all of it has come, and is gone otherwise.

    Args:
        target: Where it is to be.
        replace: In the place of a file that is there.

    Raises:
        InvalidRequest: it cannot be written, or is there already.
    """
    part = target.with_name(f".{target.name[:200]}-{secrets.token_hex(4)}.part")
    try:
        if not replace and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        with part.open("xb") as file:
            try:
                yield file
                file.flush()  # A full disk is found out before the file has its name.
                _name(part, target, replace)
            finally:
                part.unlink(missing_ok=True)
    except (OSError, ValueError) as exc:  # Of a NUL in its name.
        why = getattr(exc, "strerror", None) or str(exc)
        raise InvalidRequest(f"{target.name} cannot be written: {why.lower()}.") from exc


def _name(part: Path, target: Path, replace: bool) -> None:
    if replace:
        part.replace(target)
        return
    try:
        os.link(part, target)  # Whoever was there first keeps the name.
    except FileExistsError:
        raise
    except OSError:  # A file system without second names.
        if os.path.lexists(target):
            raise
        part.rename(target)


async def pieces_of(file: BinaryIO) -> AsyncIterator[bytes]:
    """The bytes of a file, read by threads."""
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece


def content_of(body: Any) -> dict[str, Any]:
    """The part of a request that carries a body."""
    return {"content": body, "timeout": PATIENT} if isinstance(body, bytes) else {"json": body}


def params_of(query: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that are set."""
    return {key: value for key, value in query.items() if value is not None and value != ()}


def understood(answer: httpx.Response, make: Callable[[Any], _T]) -> _T:
    """What ``make`` makes of an answer's JSON, or the exception the answer stands for."""
    try:
        body: Any = answer.json()
    except (ValueError, RecursionError):
        body = None
    if answer.is_success and body is not None:
        try:
            return make(body)
        except (InvalidRequest, LookupError, TypeError) as exc:
            raise Unavailable(
                f"the lab's answer is not understood: {exc}.",
                hint="The lab and this program may have different versions of dllab-hub.",
            ) from exc
    if answer.is_error and isinstance(body, dict) and isinstance(body.get("error"), dict):
        raise DLLabError.from_wire(answer.status_code, body)
    if answer.status_code in (401, 403):
        raise AccessDenied(
            "the lab does not accept the token.",
            hint="Log in again and restart the lab, or check DLLAB_API_TOKEN.",
        )
    where = answer.url.copy_with(query=None)
    if answer.status_code in (502, 503, 504):  # A proxy, in place of the lab behind it.
        raise Unavailable(
            f"the lab at {where} does not answer now.",
            hint="Try again in a moment; jobs go on meanwhile.",
        )
    raise Unavailable(
        f"{where} answered with status {answer.status_code}, and not as a lab does.",
        hint="Is dllab-hub[lab] installed there? The address of a lab ends in /dllab/api/.",
    )
