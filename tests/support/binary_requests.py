"""V2 requests whose tensors lie as bytes behind the JSON: right ones, and ones that lie."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

__all__ = ("TAKES", "Sent", "requests")

#: What models of `onnx_files` take: of each input its datatype and the columns of a row.
TAKES: Mapping[str, Mapping[str, tuple[str, int]]] = {
    "net": {"x": ("FP32", 4)},
    "two": {"a": ("FP32", 2), "b": ("FP32", 2)},
    "id_STRING": {"x": ("BYTES", 2)},
    "id_BOOL": {"x": ("BOOL", 2)},
}
#: Numbers of bytes, and what is none.
_SIZES = st.one_of(
    st.sampled_from((-1, 0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64, 10**30)),
    st.sampled_from((True, False, 1.5, -0.0, "8", "", None, [], [8], {}, {"x": 1})),
    st.integers(-40, 100),
)
_HEADERS = st.one_of(
    st.sampled_from(("-1", "+5", "0", "00", "1e3", "0x10", "1.0", "", "9" * 15, "9" * 40)),
    st.sampled_from((str(2**31), str(2**63), str(2**64), "\xb2", "1,1", "1;2", "nan", "None")),
    st.integers(0, 400).map(str),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20),
)
_SHAPES = st.one_of(
    st.sampled_from(([], [0], [-1, 4], [2**62, 4], [2**32, 2**32], [[1]], [1.0, 4], [True, 4])),
    st.sampled_from((None, 4, "x", {}, [4, 1], [1] * 40, [2**63] * 8, [1, 2**64])),
    st.lists(st.integers(-2, 6), max_size=4),
)
_LENGTHS = st.sampled_from((0, 1, 3, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1))
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_ODD = st.sampled_from((None, 7, "x", [], {}, {"binary_data": 1}, {"binary_data_output": "yes"}))


@dataclass(frozen=True)
class Sent:
    """One request.

    Attributes:
        body: JSON and bytes.
        header: Of the binary extension; None: there is none.
        lies: What is wrong with it; empty: it has to be answered.
    """

    body: bytes
    header: str | None
    lies: frozenset[str]


@st.composite
def _tensor(draw: Any, name: str, datatype: str, columns: int, rows: int) -> tuple[dict, bytes]:
    """A right one."""
    count = rows * columns
    if datatype == "BYTES":
        words = [each.encode() for each in draw(st.lists(_TEXT, min_size=count, max_size=count))]
        data = b"".join(struct.pack("<I", len(word)) + word for word in words)
    elif datatype == "BOOL":
        data = bytes(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    else:
        number = st.floats(-1e6, 1e6, width=32)
        data = struct.pack(f"<{count}f", *draw(st.lists(number, min_size=count, max_size=count)))
    about = {
        "name": name,
        "datatype": datatype,
        "shape": [rows, columns],
        "parameters": {"binary_data_size": len(data)},
    }
    return about, data


@st.composite
def requests(draw: Any, takes: Mapping[str, tuple[str, int]]) -> Sent:
    """For a model that takes this."""
    rows = draw(st.integers(1, 4))
    made = [draw(_tensor(name, *what, rows)) for name, what in takes.items()]
    lies = draw(st.frozensets(st.sampled_from(sorted(_LIES)), max_size=3))
    request: dict[str, Any] = {}
    for lie, tell in _BEFORE.items():
        if lie in lies:
            tell(draw, request, made)
    request["inputs"] = [about for about, _ in made]
    text = json.dumps(request).encode()
    rest = b"".join(data for _, data in made)
    header: str | None = str(len(text))
    if "rest" in lies:
        rest = draw(
            st.one_of(
                st.binary(max_size=200),
                st.integers(0, max(len(rest) - 1, 0)).map(lambda cut: rest[:cut]),
                st.binary(min_size=1, max_size=20).map(lambda more: rest + more),
            )
        )
    if "header" in lies:
        header = draw(st.one_of(st.none(), _HEADERS, st.integers(-9, 9).map(_off(len(text)))))
    return Sent(text + rest, header, lies)


def _off(size: int) -> Any:
    return lambda by: str(size + by)


_Made = list[tuple[dict[str, Any], bytes]]


def _size(draw: Any, request: dict[str, Any], made: _Made) -> None:
    about, _ = draw(st.sampled_from(made))
    about["parameters"] = {"binary_data_size": draw(_SIZES)}


def _shape(draw: Any, request: dict[str, Any], made: _Made) -> None:
    about, _ = draw(st.sampled_from(made))
    about["shape"] = draw(_SHAPES)


def _data(draw: Any, request: dict[str, Any], made: _Made) -> None:
    """There twice, or only in the JSON, where it is wrong."""
    about, _ = draw(st.sampled_from(made))
    about["data"] = draw(st.sampled_from(([], [1, 2, 3, 4], None, "AAAA", [[1, 2, 3, 4]])))
    if draw(st.booleans()):
        about["parameters"] = draw(_ODD)


def _type(draw: Any, request: dict[str, Any], made: _Made) -> None:
    about, _ = draw(st.sampled_from(made))
    about["datatype"] = draw(
        st.sampled_from(("BYTES", "BOOL", "FP16", "FP32", "FP64", "INT64", "BF16", "", None, 7))
    )


def _more(draw: Any, request: dict[str, Any], made: _Made) -> None:
    """More tensors than bytes, or the same bytes for two."""
    about, data = draw(st.sampled_from(made))
    name = draw(st.sampled_from((about["name"], "y", "", "\ud83d\ude00", None, 3)))
    for _ in range(draw(st.sampled_from((1, 2, 200)))):
        made.append(({**about, "name": name}, draw(st.sampled_from((b"", data)))))


def _fewer(draw: Any, request: dict[str, Any], made: _Made) -> None:
    del made[draw(st.integers(0, len(made) - 1))]


def _lengths(draw: Any, request: dict[str, Any], made: _Made) -> None:
    """Four bytes anywhere become another length; of a tensor that is no text, another number."""
    at = draw(st.integers(0, len(made) - 1))
    about, data = made[at]
    place = draw(st.integers(0, len(data)))
    made[at] = about, data[:place] + struct.pack("<I", draw(_LENGTHS)) + data[place + 4 :]
    if draw(st.booleans()):
        about["parameters"] = {"binary_data_size": len(made[at][1])}


def _letters(draw: Any, request: dict[str, Any], made: _Made) -> None:
    """Of the same size, and no UTF-8, no 0 or 1, no finite number."""
    at = draw(st.integers(0, len(made) - 1))
    about, data = made[at]
    place = draw(st.integers(0, len(data)))
    made[at] = about, (data[:place] + b"\xff\xfe\xc0\x7f" + data[place + 4 :])[: len(data)]


def _outputs(draw: Any, request: dict[str, Any], made: _Made) -> None:
    request["parameters"] = draw(_ODD)
    request["outputs"] = draw(
        st.one_of(
            st.sampled_from((None, 7, [], {}, "y", [None], ["y"], [{"name": "x"}])),
            _ODD.map(lambda odd: [{"name": "y", "parameters": odd}]),
        )
    )
    request["id"] = draw(st.sampled_from((None, "", "a", 7, [])))


_BEFORE: Mapping[str, Any] = {
    "data": _data,
    "lengths": _lengths,
    "letters": _letters,
    "more": _more,
    "outputs": _outputs,
    "shape": _shape,
    "size": _size,
    "type": _type,
    "fewer": _fewer,  # Of what is left then.
}
_LIES = {*_BEFORE, "rest", "header"}
