"""How large a download will be, in bytes and in words."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import httpx

__all__ = ("client", "file_sizes", "in_words", "unpacked")


def client() -> httpx.Client:
    """For downloads: through the environment's proxy, trusting what the system trusts."""
    import httpx  # Only a build needs it, and every lab reads the catalog.

    verify = ssl.create_default_context()
    return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30, connect=10), verify=verify)


def file_sizes(urls: Sequence[str]) -> list[int | None]:
    """Bytes of each file; None where the server does not say. Nothing is downloaded."""
    import httpx

    with client() as http:

        def size(url: str) -> int | None:
            try:
                if url.startswith("file:"):
                    return Path(unquote(urlsplit(url).path)).stat().st_size
                answer = http.head(url)
            except (httpx.HTTPError, OSError):
                return None
            length = answer.headers.get("content-length") if answer.is_success else None
            return int(length) if length else None

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(size, urls))


def unpacked(size: int) -> int:
    """Bytes on disk of a wheel of this size, about.

    Four and a half times its size was measured for a CPU build, compiled Python included. Wheels of
    over 200 MB are nearly all CUDA libraries, compressed inside already: twice is a guess.
    """
    return 2 * size if size > 200e6 else 9 * size // 2


def in_words(size: int) -> str:
    """``190 MB``, ``1.1 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size, 0) // 1_000_000} MB"
