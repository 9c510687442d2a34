"""Event files as TensorBoard's own writers make them, and records put together by hand."""

from __future__ import annotations

import os
import random
import struct
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.curves.eventdir import EventDir
from dllab_hub.backends.local.curves.events import Events

__all__ = (
    "append",
    "big_file",
    "event_file",
    "framed",
    "read",
    "reader",
    "restart",
    "scalar",
    "scalars",
)


def framed(data: bytes) -> bytes:
    """A record, its checksums made by TensorBoard."""
    length = struct.pack("<Q", len(data))
    return (
        length
        + struct.pack("<I", masked_crc32c(length))
        + data
        + struct.pack("<I", masked_crc32c(data))
    )


def scalar(tag: str, step: int, value: float, moment: float | None = None) -> bytes:
    """A scalar as torch's `SummaryWriter` writes it; one second a step."""
    when = 1000.0 + step if moment is None else moment
    said = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return framed(Event(wall_time=when, step=step, summary=said).SerializeToString())


def scalars(tag: str, values: dict[int, float], start: float = 1000.0) -> bytes:
    """Many scalars by their step; one second a step."""
    return b"".join(scalar(tag, step, value, start + step) for step, value in values.items())


def restart(step: int, moment: float = 0.0) -> bytes:
    """What a writer says that begins anew at a step."""
    log = SessionLog(status=SessionLog.START)
    return framed(Event(wall_time=moment, step=step, session_log=log).SerializeToString())


def event_file(folder: Path, number: int = 1, data: bytes = b"") -> Path:
    """A file that was begun ``number`` seconds after another."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{1700000000 + number}.here.{number}.0"
    head = framed(Event(wall_time=1000.0, file_version="brain.Event:2").SerializeToString())
    path.write_bytes(head + data)
    return path


def append(path: Path, data: bytes) -> None:
    """Write more to a file."""
    with path.open("ab") as file:
        file.write(data)


def big_file(folder: Path, size: int, *, part: float = 0.8) -> tuple[Path, int]:
    """A file of about ``size`` bytes, as of a training that logs pictures, histograms and scalars.

    Args:
        folder: Where it is put.
        size: Bytes.
        part: Of the bytes that are pictures; the rest is histograms, for the most part.

    Returns:
        The file, and how many steps it has, each with two scalars.
    """
    picture = framed(_picture(400_000))
    histogram = framed(_histogram(500))
    path = event_file(folder)
    steps = written = 0
    with path.open("ab", buffering=1 << 20) as file:
        pictures = 0.0
        while written < size:
            steps += 1
            data = scalar("loss", steps, 1 / steps) + scalar("rate", steps, 0.001) + histogram * 4
            if pictures <= part * written:
                data += picture
                pictures += len(picture)
            file.write(data)
            written += len(data)
    return path, steps


def _picture(size: int) -> bytes:
    image = Summary.Image(height=1, width=1, encoded_image_string=os.urandom(size))
    said = Summary(value=[Summary.Value(tag="picture", image=image)])
    return bytes(Event(wall_time=1000.0, step=1, summary=said).SerializeToString())


def _histogram(buckets: int) -> bytes:
    numbers = [random.random() for _ in range(buckets)]
    histogram = HistogramProto(bucket_limit=numbers, bucket=numbers)
    said = Summary(value=[Summary.Value(tag="weights", histo=histogram)])
    return bytes(Event(wall_time=1000.0, step=1, summary=said).SerializeToString())


def reader(folder: Path) -> Events:
    """Reads the event files below a directory of ours."""
    return Events(EventDir(folder, Account(None, os.geteuid(), os.getegid(), "/")))


def read(events: Events) -> dict[str, dict[int, float]]:
    """All points by curve: values by step."""
    give_up = time.monotonic() + 20
    while not events.read(time.monotonic() + 0.05):
        assert time.monotonic() < give_up
    return {
        f"{run}/{tag}" if run else tag: dict(zip(points.steps, points.values, strict=True))
        for run, tag, points in events.snapshots()
    }
