"""The one way to ask a lab's REST interface: `Transport`, and `AsyncTransport` for servers.

Both send the same request and read the same answer (see `exchange`); an error arrives as the
exception that the other side raised (see `errors`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from .exchange import (
    BYTES,
    ENDLESS,
    PATIENT,
    Face,
    RawAnswer,
    content_of,
    opened,
    params_of,
    path,
    pieces_of,
    received,
    understood,
    with_facts,
)

__all__ = ("AsyncTransport", "RawAnswer", "Transport", "path", "received", "with_facts")

_T = TypeVar("_T")


class Transport(Face):
    """Blocking; for kernels, terminals and scripts.

    Args:
        url: Of the interface; ends in ``/dllab/api/``. ``http+unix://%2Fpath/...`` is a socket.
        token: Of the person; empty for none.
    """

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        door = httpx.HTTPTransport(uds=self.socket) if self.socket else None
        self._http = httpx.Client(**self.options, transport=door)

    def ask(
        self, method: str, path: str, read: Callable[[Any], _T], *, body: Any = None, **query: Any
    ) -> _T:
        """Send one request; what ``read`` makes of the answer's JSON.

        Args:
            method: Such as ``GET``.
            path: Below the URL, from `path`.
            read: Such as ``TrainingJob.from_wire``.
            body: Anything JSON can hold; None for no body. Bytes that are JSON already are a
                question to a model: its answer may take minutes.
            query: Parameters; None leaves one out, a tuple repeats it.

        Raises:
            DLLabError: what the other side raised.
            AccessDenied: it does not know the token.
            Unavailable: it does not answer, or not as a lab of this version does.
        """
        with self.heard():
            answer = self._http.request(method, path, **content_of(body), params=params_of(query))
        return understood(answer, read)

    def upload(
        self,
        path: str,
        file: Path,
        read: Callable[[Any], _T],
        *,
        method: str = "POST",
        content_type: str = BYTES,
    ) -> _T:
        """Send a regular file, a piece at a time.

        Path and ``read`` are those of `ask`. `InvalidRequest` when the file cannot be read.
        """
        with opened(file, content_type) as (pieces, options), self.heard():
            answer = self._http.request(method, path, content=pieces, **options)
        return understood(answer, read)

    def raw(
        self,
        method: str,
        url_path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> RawAnswer:
        """Send bytes to an address beside the interface; the answer as it came, whatever it says.

        Args:
            method: Such as ``POST``.
            url_path: Absolute, at the same origin: begins with a slash.
            body: Of the request.
            headers: Beside the token.

        Raises:
            NotFound: there can be no such path.
            Unavailable: nobody answers.
        """
        url = self.beside(url_path)
        with self.heard():
            answer = self._http.request(method, url, content=body, headers=headers, timeout=PATIENT)
        return RawAnswer(answer.status_code, answer.content, dict(answer.headers))

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[httpx.Response]:
        """The answer to a GET that is taken piece by piece; errors as `ask` has them."""
        with (
            self.heard(),
            self._http.stream("GET", path, params=params_of(query), timeout=ENDLESS) as answer,
        ):
            if not answer.is_success:
                answer.read()
                understood(answer, dict)
            yield answer

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncTransport(Face):
    """The same for an event loop: of a server, which a page asks and no kernel."""

    _GONE = "It may be starting again: try once more in a moment."

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token)
        door = httpx.AsyncHTTPTransport(uds=self.socket) if self.socket else None
        self._http = httpx.AsyncClient(**self.options, transport=door)

    async def ask(
        self, method: str, path: str, read: Callable[[Any], _T], *, body: Any = None, **query: Any
    ) -> _T:
        """As `Transport.ask`."""
        with self.heard():
            answer = await self._http.request(
                method, path, **content_of(body), params=params_of(query)
            )
        return understood(answer, read)

    async def upload(
        self,
        path: str,
        file: Path,
        read: Callable[[Any], _T],
        *,
        method: str = "POST",
        content_type: str = BYTES,
    ) -> _T:
        """As `Transport.upload`."""
        with opened(file, content_type) as (source, options), self.heard():
            answer = await self._http.request(method, path, content=pieces_of(source), **options)
        return understood(answer, read)

    async def raw(
        self,
        method: str,
        url_path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> RawAnswer:
        """As `Transport.raw`."""
        url = self.beside(url_path)
        with self.heard():
            answer = await self._http.request(
                method, url, content=body, headers=headers, timeout=PATIENT
            )
        return RawAnswer(answer.status_code, answer.content, dict(answer.headers))

    @asynccontextmanager
    async def stream(self, path: str, **query: Any) -> AsyncIterator[httpx.Response]:
        """As `Transport.stream`."""
        params = params_of(query)
        with self.heard():
            async with self._http.stream("GET", path, params=params, timeout=ENDLESS) as answer:
                if not answer.is_success:
                    await answer.aread()
                    understood(answer, dict)
                yield answer

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
