"""Models in memory on their way out: `whole`, and `archive` for devices."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator

from ..backends.calls import Download

__all__ = ("archive", "whole")

_PIECE = 65536


def whole(model: str, version: int, data: bytes) -> Download:
    """The file as it was published."""
    return Download(f"{model}-{version}.onnx", len(data), _pieces(data))


def archive(model: str, version: int, data: bytes) -> Download:
    """A zip archive of the file and what is known of it."""
    about = {
        "name": model,
        "version": version,
        "file": "model.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        packed.writestr("manifest.json", json.dumps(about, indent=2))
        packed.writestr("model.onnx", data)
    return Download(f"{model}-{version}.zip", None, _pieces(made.getvalue()))


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
