"""An S3 server of this machine (moto's), and the volumes that stand for its buckets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import s3fs
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3 import s3_backends
from moto.server import ThreadedMotoServer


@dataclass
class Buckets:
    """Where it is, and the bucket ``team`` in it."""

    url: str

    @property
    def options(self) -> dict[str, Any]:
        return {"endpoint_url": self.url, "key": "a-key", "secret": "a-secret"}

    def files(self) -> s3fs.S3FileSystem:
        """The bucket as others see it."""
        return s3fs.S3FileSystem(**self.options, use_listings_cache=False)

    def fill(self, keys: Iterable[str]) -> None:
        """Many empty files, faster than over HTTP."""
        for key in keys:
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object("team", key, b"")

    def about(self, url: str, **more: Any) -> dict[str, Any]:
        """What a lab is told of a volume."""
        return {"title": "Team bucket", "url": url, "options": self.options, **more}


def variable(**volumes: dict[str, Any]) -> str:
    """``DLLAB_VOLUMES`` for these volumes."""
    return json.dumps(volumes)


@contextmanager
def s3_server() -> Iterator[Buckets]:
    """Runs it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        s3_backends.reset()  # All servers of one process share what they keep.
        buckets = Buckets(f"http://{host}:{port}")
        buckets.files().mkdir("team")
        yield buckets
    finally:
        server.stop()
