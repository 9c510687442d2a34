"""Rows to a model and rows from it."""

from __future__ import annotations

import builtins
import json
import sys
from typing import Any

import pytest
from PIL import Image

from dllab_hub import rows as rows_module
from dllab_hub.errors import InvalidRequest, TooLarge
from dllab_hub.rows import from_rows, has_images, to_body
from dllab_hub.specs import Tensor


class Array:
    """What numpy's arrays and torch's tensors have in common."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def detach(self) -> Array:
        return self

    def tolist(self) -> Any:
        return self._values


class Table:
    """What pandas and its kin have in common."""

    columns = ("a", "b")

    def __init__(self, values: Any) -> None:
        self.values = Array(values)


class Sparse:
    """A tensor without numbers that could be listed."""

    shape = (2, 3)

    def __getitem__(self, part: slice) -> Sparse:
        return self

    def tolist(self) -> Any:
        raise RuntimeError("it has no storage\nadvice to its authors")


class Eager:
    """What TensorFlow's tensors have."""

    shape = (2, 1)

    def numpy(self) -> Array:
        return Array([[1.0], [2.0]])


class Frame:
    """What pandas has: a table whose rows are counted through ``iloc``."""

    columns = ("a",)
    shape = (3, 1)

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    @property
    def iloc(self) -> Any:
        return self

    @property
    def values(self) -> Any:
        return Array(self._values)

    def __getitem__(self, part: slice) -> Frame:
        return Frame(self._values[part])


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([[1, 2.5], [3, -4]], [[1, 2.5], [3, -4]]),
        (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        (range(3), [0, 1, 2]),
        (Array([[1.0], [2.0]]), [[1.0], [2.0]]),
        ([Array([1.0]), Array([2.0])], [[1.0], [2.0]]),
        ([[Array(1.5)]], [[1.5]]),
        (Table([[1, 2]]), [[1, 2]]),
        (Frame([[1], [2], [3]]), [[1], [2], [3]]),
        ({"x": Frame([[1], [2], [3]]), "y": range(3)}, [{"x": [n + 1], "y": n} for n in range(3)]),
        (Eager(), [[1.0], [2.0]]),
        ([Eager()], [[[1.0], [2.0]]]),
        (["text", "ä"], ["text", "ä"]),
        ([{"x": Array([1]), "y": True}], [{"x": [1], "y": True}]),
        ({"x": Array([[1], [2]]), "y": [3, 4]}, [{"x": [1], "y": 3}, {"x": [2], "y": 4}]),
    ],
)
def test_rows_are_sent_as_json(given: Any, sent: Any) -> None:
    """Lists, arrays, tensors, tables and a dict of them all become the rows of a V1 request."""
    assert {"instances": sent} == json.loads(to_body(given, 10**6))


def _endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (7, ["must be rows", "int", "[row]"]),
        ("text", ["must be rows", "str"]),
        (None, ["must be rows"]),
        (Array(1.5), ["must be rows", "X[:1]"]),
        ([], ["no row"]),
        (Array([]), ["no row"]),
        ({}, ["no row"]),
        ({"x": [1, 2], "y": [1]}, ["as many rows", "2 of x", "1 of y"]),
        ({"x": 1}, ["x must be rows"]),
        ([[1.0], [float("nan")]], ["row 1 holds nan"]),
        (Array([[1.0, float("-inf")]]), ["row 0 holds -inf"]),
        ([{"x": [float("inf")]}], ["row 0 holds inf"]),
        ([b"bytes"], ["numbers and strings", "bytes"]),
        ([object()], ["numbers and strings", "object"]),
        (Sparse(), ["Sparse cannot be read", "no storage"]),
        ([Sparse()], ["Sparse cannot be read", "no storage"]),
        (_endless(), ["without end"]),
    ],
)
def test_what_no_model_is_asked(given: Any, words: list[str]) -> None:
    """What can be no rows is refused before it travels, and the place is named."""
    with pytest.raises(InvalidRequest) as caught:
        to_body(given, 10**6)
    assert "instances" == caught.value.field
    for word in words:
        assert word in str(caught.value)


def test_as_many_rows_as_fit() -> None:
    """A request may be as long as the limit; one byte more, and how many rows fit is said."""
    body = to_body([[10]] * 20, 10**6)

    assert body == to_body([[10]] * 20, len(body))
    with pytest.raises(TooLarge, match=r"holds 19 of these 20 rows"):
        to_body([[10]] * 20, len(body) - 1)
    with pytest.raises(TooLarge, match=r"at most 50 bytes holds 7 of these 1000 rows"):
        to_body([[10]] * 1000, 50)


def test_too_much_is_seen_at_once() -> None:
    """Rows that nobody would take are not all written before they are refused."""
    written: list[int] = []

    class Row(dict[str, int]):
        def items(self) -> Any:
            written.append(1)
            return super().items()

    with pytest.raises(TooLarge):
        to_body(Array([Row(x=1)] * 100_000), 10_000)
    assert len(written) < 2000


class Large:
    """An array of which nobody could list all."""

    def __init__(self, rows: int, columns: int) -> None:
        self.shape = (rows, columns)
        self.listed = 0

    def __getitem__(self, part: slice) -> Array:
        begin, end, _ = part.indices(self.shape[0])
        self.listed += end - begin
        return Array([[begin + row] * self.shape[1] for row in range(end - begin)])

    def tolist(self) -> Any:
        raise AssertionError("all of it")


@pytest.mark.parametrize("by_name", [False, True])
def test_an_array_larger_than_the_memory(by_name: bool) -> None:
    """Only about as many rows as fit are made lists of, also of each input of several."""
    large, other = Large(10**9, 100), Large(10**9, 2)
    with pytest.raises(TooLarge, match=r"of these 1000000000 rows"):
        to_body({"x": large, "y": other} if by_name else large, 10_000)

    assert 0 < large.listed < 2000


def test_an_array_in_pieces_is_the_whole_array() -> None:
    """Every row is sent once, in its place."""
    large = Large(150_000, 1)
    sent = json.loads(to_body(large, 10**7))["instances"]

    assert [[row] for row in range(150_000)] == sent
    assert 150_000 == large.listed


def test_numpy() -> None:
    """Regular answers are arrays, one for each output; what is not regular stays as it is."""
    numpy = pytest.importorskip("numpy")  # TensorBoard brings it; a kernel may lack it.
    answer = from_rows([[1, 2], [3, 4]])
    assert ((2, 2), [3, 4]) == (answer.shape, answer[1].tolist())
    several = from_rows([{"a": [1, 2], "b": 1}, {"a": [3, 4], "b": 2}])
    assert {"a": (2, 2), "b": (2,)} == {name: each.shape for name, each in several.items()}
    assert [[1], [2, 3]] == from_rows([[1], [2, 3]])
    assert [{"a": 1}, {"b": 1}] == from_rows([{"a": 1}, {"b": 1}])

    sent = to_body(numpy.ones((2, 3), "float32"), 10**6)
    assert {"instances": [[1.0] * 3] * 2} == json.loads(sent)
    with pytest.raises(InvalidRequest, match="row 1 holds nan"):
        to_body(numpy.array([[1.0], [numpy.nan]]), 10**6)


def test_answers_that_are_no_numbers() -> None:
    """What JSON cannot hold comes as null: a NaN among numbers, and as it is among other things."""
    numpy = pytest.importorskip("numpy")
    found = from_rows([[None, 1], [2.5, None]])

    assert "float64" == found.dtype
    assert [[True, False], [False, True]] == numpy.isnan(found).tolist()
    assert [["a", None]] == from_rows([["a", None]]).tolist()
    assert [[True, None]] == from_rows([[True, None]]).tolist()


def test_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no numpy the answer is a list, and nothing looks for it in vain."""
    monkeypatch.setattr(rows_module, "find_spec", lambda name: None)
    loaded = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        assert not name.startswith("numpy")
        return loaded(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)

    assert [[1], [2]] == from_rows([[1], [2]])
    assert [{"a": 1}] == from_rows([{"a": 1}])


def picture(width: int = 3, height: int = 2, mode: str = "RGB") -> Image.Image:
    """An image in which no two numbers are the same."""
    count = width * height * len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), bytes(range(count)))


def sent(given: Any, *shapes: tuple[int | None, ...], most: int = 10**6) -> Any:
    """What becomes of images for a model with inputs ``x``, ``x1`` and so on."""
    inputs = [
        Tensor(name=f"x{number or ''}", datatype="FP32", shape=shape)
        for number, shape in enumerate(shapes)
    ]
    return json.loads(to_body(given, most, inputs))["instances"]


LAST = [[[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[9, 10, 11], [12, 13, 14], [15, 16, 17]]]
FIRST = [[[0, 3, 6], [9, 12, 15]], [[1, 4, 7], [10, 13, 16]], [[2, 5, 8], [11, 14, 17]]]


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ((), LAST),
        ((None, None, None, None), LAST),
        ((None, 2, 3, 3), LAST),
        ((1, None, None, 3), LAST),
        ((None, 3, 2, 3), FIRST),
        ((None, 3, None, None), FIRST),
    ],
    ids=str,
)
def test_an_image(shape: tuple[int | None, ...], row: list[Any]) -> None:
    """One image is one row: height, width, channels, or channels first where the input says so."""
    assert [row] == sent(picture(), shape)
    assert [row, row] == sent([picture(), picture()], shape)


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ((None, 2, 3, 1), [[[0], [1], [2]], [[3], [4], [5]]]),
        ((None, 1, 2, 3), [[[0, 1, 2], [3, 4, 5]]]),
        ((None, 2, 3), [[0, 1, 2], [3, 4, 5]]),
        ((None, None, None), [[0, 1, 2], [3, 4, 5]]),
        ((None, 6), [0, 1, 2, 3, 4, 5]),
    ],
    ids=str,
)
def test_an_image_of_grey(shape: tuple[int | None, ...], row: list[Any]) -> None:
    """One of a single channel fits inputs without channels, and a row of numbers, too."""
    assert [row] == sent(picture(mode="L"), shape)


def test_which_axis_has_the_channels() -> None:
    """An image as high as it has channels is read by the axis whose size the input says."""
    small = picture(2, 3)
    (first,) = sent(small, (None, 3, None, None))
    (last,) = sent(small, (None, None, None, 3))
    (both,) = sent(small, (None, 3, 2, 3))

    assert ([[0, 3], [6, 9], [12, 15]], [[0, 1, 2], [3, 4, 5]]) == (first[0], last[0])
    assert last == both


@pytest.mark.parametrize(
    ("given", "shape", "words"),
    [
        (picture(4, 2), (None, 2, 3, 3), ["4x2 pixels with 3 channels", "(2, 3, 3)", "resize"]),
        (picture(), (None, 1, 2, 3), ["3 channels", "(1, 2, 3)", 'convert("L")']),
        (picture(mode="L"), (None, 3, 2, 3), ["1 channel does not fit", "(3, 2, 3)"]),
        (picture(), (None, 18), ["does not fit", "(18)"]),
        (picture(), (None, None), ["does not fit", "(any)"]),
        (Image.new("P", (3, 2)), (), ["mode P is not taken", 'convert("RGB")']),
        (Image.new("CMYK", (3, 2)), (), ["mode CMYK"]),
        (Image.new("RGB", (0, 2)), (), ["no pixel"]),
    ],
)
def test_images_that_do_not_fit(
    given: Any, shape: tuple[int | None, ...], words: list[str]
) -> None:
    """An image is not made to fit: what is wrong with it is said, and what to do."""
    with pytest.raises(InvalidRequest) as caught:
        sent(given, shape)
    assert "instances" == caught.value.field
    for word in words:
        assert word in str(caught.value)


def test_images_of_several_inputs() -> None:
    """Each input's images have the axes of that input; other rows stay as they are."""
    rows = sent({"x": picture(), "x1": [[7]]}, (None, 3, 2, 3), (None, 1))

    assert [{"x": FIRST, "x1": [7]}] == rows
    assert [LAST, [1]] == sent([picture(), [1]], (None, 3, 2, 3), (None, 1))


def test_an_image_larger_than_a_request() -> None:
    """It is refused before its pixels are looked at."""
    large = Image.new("RGB", (20_000, 10_000))
    with pytest.raises(TooLarge, match="20000x10000 pixels") as caught:
        to_body(large, 10**6)

    assert "smaller" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "there"),
    [
        (picture(), True), ([[1], picture()], True), ({"x": [1], "y": picture()}, True),
        ({"y": (picture(),)}, True), ([[1]], False), (7, False), (None, False), ("text", False),
        (Array([[1]]), False), ({"x": Frame([[1]])}, False), ([], False),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_whether_there_are_images(given: Any, there: bool) -> None:
    """Only then a model's inputs have to be known."""
    assert there is has_images(given)


def test_where_nobody_has_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Pillow nothing is one, and nothing is loaded."""
    monkeypatch.delitem(sys.modules, "PIL.Image")
    assert not has_images(picture)
    assert "PIL.Image" not in sys.modules


def test_tables() -> None:
    """A real table gives its rows, whatever its index is."""
    frame = pytest.importorskip("pandas").DataFrame({"a": [1, 2], "b": [0.5, 1.5]}, index=[7, 8])

    assert [[1, 0.5], [2, 1.5]] == sent(frame)
    assert [1, 2] == sent(frame["a"])


def test_tensors() -> None:
    """A real tensor gives its rows, also one that takes part in training."""
    tensor = pytest.importorskip("torch").tensor([[1.0, 2.0]], requires_grad=True)

    assert [[1.0, 2.0]] == sent(tensor)
