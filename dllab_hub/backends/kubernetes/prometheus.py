"""`ask`: one question to a Prometheus, with an end in time and in size."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ...metrics.dcgm import BadAnswer
from .gpu_settings import GpuMetrics

__all__ = ("Answer", "ask")

#: Seconds for the whole of it, and for each step of it.
_PATIENCE, _STEP = 8.0, 4.0
#: Bytes; a thousand GPUs come to some ten millions.
_LARGEST = 64 << 20


@dataclass(frozen=True)
class Answer:
    """What came.

    Attributes:
        body: JSON, as it is claimed.
        time: When, on the clock of whoever answered; seconds since the epoch.
    """

    body: bytes
    time: float


def ask(settings: GpuMetrics, query: str) -> Answer:
    """Ask, and wait for the answer for a few seconds. Blocks.

    Raises:
        BadAnswer: there is none; the message goes on with "The Prometheus ..." and has neither its
            address nor the token.
    """
    headers = {"Accept": "application/json"}
    if settings.token_file:
        headers["Authorization"] = f"Bearer {_token(settings.token_file)}"
    deadline = time.monotonic() + _PATIENCE
    secure = urlsplit(settings.url).scheme == "https"
    # Reading all certificates takes a while, and is in vain without TLS; the other trusts nobody.
    tls = ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # No proxy that the environment names, and nobody to whom a redirect would hand the token.
        with (
            httpx.Client(trust_env=False, timeout=_STEP, verify=tls) as http,
            http.stream(
                "GET", settings.query_url, params={"query": query}, headers=headers
            ) as answer,
        ):
            if answer.status_code in (401, 403):
                raise BadAnswer("does not let the lab service in")
            if not answer.is_success:
                raise BadAnswer(f"answers with status {answer.status_code}")
            body = bytearray()
            for chunk in answer.iter_bytes(1 << 16):
                body += chunk
                if len(body) > _LARGEST:
                    raise BadAnswer("answers more than can be read")
                if time.monotonic() > deadline:
                    raise BadAnswer("takes too long to answer")
            return Answer(bytes(body), _moment(answer.headers.get("Date", "")))
    except httpx.TimeoutException:
        raise BadAnswer("does not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        raise BadAnswer("cannot be reached") from None


def _token(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise BadAnswer("wants a token whose file cannot be read") from None
    if not text or any(ord(letter) < 33 for letter in text):
        raise BadAnswer("wants a token, and its file has none")
    return text


def _moment(date: str) -> float:
    """Of the header; where there is none, now."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, IndexError):
        return time.time()
