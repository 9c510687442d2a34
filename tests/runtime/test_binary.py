"""The binary extension: bytes become what they were, and whatever lies is the caller's mistake."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from binary_requests import TAKES, Sent, requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from replica import Replica

from dllab_hub.runtime.binary import HEADER, array_of, bytes_of, size_of, split
from dllab_hub.runtime.model import NUMPY_TYPES, BadRequest, Tensor

TYPES = st.sampled_from(sorted(NUMPY_TYPES))
HEADS = st.one_of(
    st.none(),
    st.integers(-5, 80).map(str),
    st.sampled_from(("", "+1", " 1", "1 ", "1_0", "9" * 16, "9" * 5000, "\xb2", "\u0663", "0x1")),
    st.text(max_size=5),
)
SHAPES = st.lists(st.one_of(st.integers(1, 5), st.integers(1, 2**64)), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
fast = settings(max_examples=300, deadline=None)


@fast
@given(st.binary(max_size=64), HEADS)
def test_where_the_json_ends(body: bytes, head: str | None) -> None:
    """JSON and bytes are together what came, or the header is refused; nothing else is raised."""
    try:
        text, rest = split(body, head)
    except BadRequest as exc:
        assert head is not None
        assert HEADER in str(exc)
        number = head.isascii() and head.isdecimal() and len(head) < 16
        assert not number or int(head) > len(body)
        return
    left = rest.take("x", len(body) - len(text))
    rest.end()

    assert body == bytes(text) + bytes(left)


@fast
@given(st.binary(max_size=64), st.lists(st.integers(0, 80), max_size=8))
def test_no_byte_twice(data: bytes, sizes: list[int]) -> None:
    """Tensors get the bytes one after the other; the first that wants more than is left is refused,
    and takes none.
    """
    _, rest = split(data, "0")
    pieces = []
    for size in sizes:
        try:
            pieces.append(bytes(rest.take("x", size)))
        except BadRequest:
            assert size > len(data) - sum(map(len, pieces))
    taken = b"".join(pieces)
    assert data.startswith(taken)
    if len(taken) < len(data):
        with pytest.raises(BadRequest, match="belong to no input"):
            rest.end()


@fast
@given(JSON)
def test_what_a_size_may_be(size: Any) -> None:
    """A whole number from 0 on, and nothing that Python takes for one."""
    whole = type(size) is int and size >= 0
    assert None is size_of({"other": size}, "input x")
    if whole:
        assert size == size_of({"binary_data_size": size}, "input x")
        return
    with pytest.raises(BadRequest, match="must be a number of bytes"):
        size_of({"binary_data_size": size}, "input x")


@fast
@given(TYPES, st.binary(max_size=64), SHAPES)
def test_bytes_that_may_be_anything(datatype: str, data: bytes, shape: list[int]) -> None:
    """They are an array of that shape and type, or refused, whatever the shape claims there is."""
    tensor = Tensor("x", datatype, (None,) * len(shape))
    try:
        array = array_of(tensor, memoryview(data), shape)
    except BadRequest as exc:
        assert str(exc).startswith("input x: ")
        return
    assert (tuple(shape), NUMPY_TYPES[datatype]) == (array.shape, array.dtype.name)
    assert data == bytes_of(array) or datatype.startswith("FP")  # One NaN is another.


@fast
@given(st.data())
def test_there_and_back(data: st.DataObject) -> None:
    """What was made bytes comes back as it was, text in any script as well."""
    datatype = data.draw(TYPES)
    shape = data.draw(st.lists(st.integers(1, 3), max_size=3))
    count = math.prod(shape)
    if datatype == "BYTES":
        text = st.text(st.characters(exclude_categories=["Cs"]))
        array = numpy.empty(count, dtype=object)
        array[:] = data.draw(st.lists(text, min_size=count, max_size=count))
    else:
        kind = numpy.dtype(NUMPY_TYPES[datatype])
        size = count * kind.itemsize
        array = numpy.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), kind)
        array = numpy.nan_to_num(array % 2 if datatype == "BOOL" else array, posinf=1, neginf=-1)
        array = array.astype(kind)
    array = array.reshape(shape)
    back = array_of(Tensor("x", datatype, ()), memoryview(bytes_of(array)), shape)

    assert (array.shape, array.tolist()) == (back.shape, back.tolist())


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (b"\xff\xff\xff\xff", [1]),
        (b"\0\0\0\0" * 1_000_000, [2]),
        (b"\0\0\0\0" * 2, [2**62]),
        (b"\x01\0\0\0", [1]),
        (b"\x01\0\0\0a\0", [1]),
    ],
    ids=["four GiB", "more than the shape has", "a huge shape", "no letter", "half a length"],
)
def test_texts_that_lie_cost_nothing(data: bytes, shape: list[int]) -> None:
    """They are refused as soon as that is known: nobody makes room for what is not there."""
    tracemalloc.start()
    with pytest.raises(BadRequest):
        array_of(Tensor("x", "BYTES", (None,)), memoryview(data), shape)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 1_000_000


def ask(replica: Replica, sent: Sent) -> tuple[int, Any]:
    """Status and what the answer says."""
    headers = {} if sent.header is None else {HEADER: sent.header.encode("latin-1")}
    answer = replica.client.post("/v2/models/net/infer", content=sent.body, headers=headers)
    size = answer.headers.get(HEADER)
    return answer.status_code, json.loads(answer.content[: int(size)] if size else answer.content)


def test_a_header_that_is_there_twice(serve: Callable[[str], Replica]) -> None:
    """It could mean either: refused, also when both say the same."""
    both = [(HEADER, "0"), (HEADER, "0")]
    answer = serve("net").client.post("/v2/models/net/infer", content=b"{}", headers=both)

    assert (400, f"{HEADER}: is there 2 times.") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize("name", sorted(TAKES))
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_replica_is_told_lies(
    serve: Callable[[str], Replica], name: str, data: st.DataObject
) -> None:
    """What is right is answered; what lies gets 400 and one sentence, never 5xx; it lives on."""
    sent = data.draw(requests(TAKES[name]))
    status, said = ask(serve(name), sent)

    assert status in ((200, 400) if sent.lies else (200,)), said
    assert ["error"] == list(said) if status == 400 else "outputs" in said
    assert status == 200 or len(said["error"]) < 500
