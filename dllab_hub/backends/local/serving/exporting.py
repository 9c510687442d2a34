"""`download`: a version on its way out, piece by piece: as it is, or as an archive for devices."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

from ....errors import Conflict, NotFound, Unavailable
from ....specs import ModelVersion
from ...calls import Download
from .models import Models
from .recognition import onnx_head

__all__ = ("download",)

_PIECE = 1024 * 1024


def download(models: Models, owner: str, model: str, version: int, packed: bool) -> Download:
    """What `Serving.download` promises. Blocks for a moment; the pieces are read in threads.

    Args:
        models: Where it lies.
        owner: Person.
        model: Name.
        version: Number.
        packed: As a zip archive with a manifest.
    """
    found = {one.version: one for one in models.versions(owner, model)}
    if version not in found:
        raise NotFound("there is no such model." if not found else "there is no such version.")
    about, path = found[version], models.file(owner, model, version)
    name = f"{model}-{version}"
    try:
        if packed:
            return Download(f"{name}.zip", None, _in_threads(_zipped(_device(about, path), about)))
        if about.format == "savedmodel":
            inside = (each for each in sorted(path.rglob("*")) if each.is_file())
            files = [(f"{name}/{each.relative_to(path).as_posix()}", each) for each in inside]
            return Download(f"{name}.zip", None, _in_threads(_zipped(files, about)))
        return Download(f"{name}{path.suffix}", path.stat().st_size, _in_threads(_pieces(path)))
    except OSError as exc:
        raise Unavailable(f"the model cannot be read: {exc.strerror}.") from exc


def _device(about: ModelVersion, path: Path) -> list[tuple[str, Path | bytes]]:
    """What a device needs: the network, and what it takes and gives."""
    if about.format != "onnx":
        raise Conflict(
            f"the version is of the format {about.format}, and devices are given ONNX.",
            hint="Export the module as ONNX, or download the file itself.",
        )
    with path.open("rb") as file:
        opsets = onnx_head(file).opsets
    manifest: dict[str, Any] = {
        "name": about.model,
        "version": about.version,
        "file": "model.onnx",
        "sha256": about.sha256,
        "size": about.size,
        "inputs": [tensor.to_wire() for tensor in about.inputs],
        "outputs": [tensor.to_wire() for tensor in about.outputs],
        "opset": opsets.get("", opsets.get("ai.onnx")),
        "opsets": opsets,
        "example": about.example,
        "created": about.created,
    }
    return [("manifest.json", json.dumps(manifest, indent=2).encode()), ("model.onnx", path)]


class _Sink(io.RawIOBase):
    """What a zip archive is written to, and taken from again before the next piece."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []

    def write(self, data: Any) -> int:
        self._kept.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        data = b"".join(self._kept)
        self._kept.clear()
        return data


def _zipped(files: Iterable[tuple[str, Path | bytes]], about: ModelVersion) -> Iterator[bytes]:
    """A zip archive, as it grows; stored as they are, for weights do not compress."""
    sink = _Sink()
    stamp = time.gmtime(about.created)[:6]
    with zipfile.ZipFile(sink, "w") as archive:
        for name, source in files:
            info = zipfile.ZipInfo(name, stamp)
            info.external_attr = 0o644 << 16
            info.file_size = len(source) if isinstance(source, bytes) else source.stat().st_size
            with archive.open(info, "w") as entry:
                for piece in [source] if isinstance(source, bytes) else _pieces(source):
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


async def _in_threads(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same for an event loop."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        if piece:
            yield piece
