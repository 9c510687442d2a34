"""Rows to a model and rows from it."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from dllab_hub import rows as rows_module
from dllab_hub.errors import InvalidRequest, TooLarge
from dllab_hub.rows import from_rows, to_body


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
