"""What one record of an event file says: `Said`, with its scalars. TensorBoard's own messages."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from .series import shown

__all__ = ("Said", "Scalars")

_SCALARS = "scalars"
#: Of a tensor: its format in ``tensor_content`` by type, and the field that has it otherwise.
_TYPES = {
    1: ("<f", "float_val"),
    2: ("<d", "double_val"),
    3: ("<i", "int_val"),
    9: ("<q", "int64_val"),
    14: ("", "half_val"),  # bfloat16
    19: ("<e", "half_val"),
}
_BFLOAT16 = 14
#: Tags whose kind is remembered, so that nobody can fill our memory with names.
_MOST_KINDS = 10_000


class Said(NamedTuple):
    """One event.

    Attributes:
        time: Seconds since the epoch.
        step: Of the training.
        restarts: Whether it says that what was written of this step and later is void.
        scalars: Names and values.
    """

    time: float
    step: int
    restarts: bool
    scalars: tuple[tuple[str, float], ...]


class Scalars:
    """Finds scalars. In TensorFlow 2 only the first event of a tag need say that it is one.

    Args:
        known: Of all folders of a job: hashes of a folder and a tag that is one.
        folder: Whose these are.
    """

    def __init__(self, known: set[int] | None = None, folder: object = None) -> None:
        self._known: set[int] = set() if known is None else known
        self._folder = folder

    def of(self, record: bytes) -> Said | None:
        """What a record says; None when it is no event.

        Args:
            record: Its bytes.
        """
        try:
            event = Event.FromString(record)
        except Exception as exc:
            # The class of it depends on which implementation of protobuf there is.
            if type(exc).__name__ != "DecodeError":
                raise
            return None
        if not event.HasField("summary"):
            restarts = event.session_log.status == SessionLog.START
            return Said(event.wall_time, event.step, restarts, ())
        found = []
        for value in event.summary.value:
            number = self._number(value)
            if number is not None and value.tag:
                found.append((shown(value.tag), number))
        return Said(event.wall_time, event.step, False, tuple(found))

    def _number(self, value: Any) -> float | None:
        # Asked by its value first: by its name takes as long as all the rest.
        kind = "simple_value" if value.simple_value else value.WhichOneof("value")
        if kind == "simple_value":
            return float(value.simple_value)
        if kind != "tensor":
            return None
        key = hash((self._folder, value.tag))
        if value.metadata.plugin_data.plugin_name == _SCALARS:
            if len(self._known) < _MOST_KINDS:
                self._known.add(key)
        elif key not in self._known:
            return None
        return _of_tensor(value.tensor)


def _of_tensor(tensor: Any) -> float | None:
    """The number in a tensor that has just one."""
    if tensor.dtype not in _TYPES or any(dim.size != 1 for dim in tensor.tensor_shape.dim):
        return None
    form, field = _TYPES[tensor.dtype]
    content = tensor.tensor_content
    if content:
        if tensor.dtype == _BFLOAT16:
            return _bfloat16(int.from_bytes(content[:2], "little"))
        size = struct.calcsize(form)
        return float(struct.unpack(form, content)[0]) if len(content) == size else None
    values = getattr(tensor, field)
    if not values:
        return 0.0  # As protobuf has it: what is left out is zero.
    if tensor.dtype == _BFLOAT16:
        return _bfloat16(values[0])
    if field == "half_val":
        return float(struct.unpack("<e", struct.pack("<H", values[0] & 0xFFFF))[0])
    return float(values[0])


def _bfloat16(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", (bits & 0xFFFF) << 16))[0])
