"""Images of PIL as rows for a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import InvalidRequest, TooLarge

__all__ = ("Input", "has_images", "with_pixels")

_FIELD = "instances"
#: Modes of PIL images that are taken, and the numbers of a pixel. What a pixel of another one
#: means (an index of a palette, say) no model knows.
_MODES = {"L": 1, "RGB": 3, "RGBA": 4}


class Input(Protocol):
    """What a model says of one of its inputs; of `specs.Tensor` so much as is needed here."""

    @property
    def name(self) -> str:
        """As in the model."""

    @property
    def shape(self) -> tuple[int | None, ...]:
        """Size of each axis, that of the batch first; None where any fits."""


def has_images(instances: Any) -> bool:
    """Whether there are PIL images among these rows: then `to_body` needs the model's inputs."""
    if isinstance(instances, Mapping):
        return any(map(has_images, instances.values()))
    if isinstance(instances, list | tuple):
        return any(map(_is_image, instances))
    return _is_image(instances)


def _is_image(value: Any) -> bool:
    loaded = sys.modules.get("PIL.Image")  # Whoever has an image has loaded it.
    return loaded is not None and isinstance(value, loaded.Image)


def with_pixels(instances: Any, most: int, inputs: Sequence[Input]) -> Any:
    """The same with lists of pixels in the place of images; see `to_body` for their axes.

    Args:
        instances: Rows, as `to_body` takes them.
        most: Bytes that a request may have.
        inputs: Of the model.
    """
    shapes = {each.name: each.shape for each in inputs}
    if isinstance(instances, Mapping):
        return {
            name: _rows_of(column, most, shapes.get(str(name), ()))
            for name, column in instances.items()
        }
    return _rows_of(instances, most, inputs[0].shape if len(inputs) == 1 else ())


def _rows_of(value: Any, most: int, shape: tuple[int | None, ...]) -> Any:
    if _is_image(value):
        return [_pixels(value, most, shape)]
    if isinstance(value, list | tuple):
        return [_pixels(each, most, shape) if _is_image(each) else each for each in value]
    return value


def _pixels(image: Any, most: int, shape: tuple[int | None, ...]) -> Any:
    """Lists of a PIL image's numbers, with the axes of a row of this input.

    Args:
        image: Of PIL.
        most: Bytes that a request may have.
        shape: Of the input; empty when nothing is known of it.
    """
    channels = _MODES.get(image.mode)
    if channels is None:
        raise InvalidRequest(
            f"an image of mode {image.mode} is not taken; those are {', '.join(_MODES)}.",
            hint='Such as image.convert("RGB").',
            field=_FIELD,
        )
    width, height = image.size
    if not width * height:
        raise InvalidRequest("the image has no pixel.", field=_FIELD)
    if 2 * width * height * channels > most:  # A digit and a comma for each number.
        raise TooLarge(
            f"a request of at most {most} bytes cannot hold an image of {width}x{height} pixels.",
            hint="Make it smaller: image.resize(...).",
        )
    last, first = (height, width, channels), (channels, height, width)
    axes = shape[1:] if shape else last
    if _fits(last, axes) and not (_fits(first, axes) and axes[0] == channels != axes[2]):
        return _listed(image.tobytes(), last)
    if _fits(first, axes):
        return [_listed(band.tobytes(), (height, width)) for band in image.split()]
    for plain in ((height, width), (height * width,)):
        if channels == 1 and _fits(plain, axes):
            return _listed(image.tobytes(), plain)
    wanted = ", ".join("any" if size is None else str(size) for size in axes)
    raise InvalidRequest(
        f"an image of {width}x{height} pixels with {channels} channel"
        f"{'' if channels == 1 else 's'} does not fit the model's input of ({wanted}).",
        hint='See image.resize((width, height)) and image.convert("L") or ("RGB").',
        field=_FIELD,
    )


def _fits(sizes: tuple[int, ...], axes: tuple[int | None, ...]) -> bool:
    return len(sizes) == len(axes) and all(
        axis in (None, size) for size, axis in zip(sizes, axes, strict=True)
    )


def _listed(data: bytes, sizes: tuple[int, ...]) -> Any:
    return memoryview(data).cast("B", sizes).tolist()
