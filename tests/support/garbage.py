"""`V1` and `V2`: thirty bodies that a model with one input ``x``, FP32 [?, 4], cannot answer."""

from __future__ import annotations

import json

__all__ = ("V1", "V2")

_TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
_DEEP = b"[" * 100_000 + b"]" * 100_000
#: Twenty million numbers: nobody may read them all to say no.
_MANY = b"1," * 19_999_999 + b"1"


def _rows(rows: object) -> bytes:
    return json.dumps({"instances": rows}).encode()


def _tensor(**changes: object) -> bytes:
    return json.dumps({"inputs": [{**_TENSOR, **changes}]}).encode()


V1 = {
    "malformed": b'{"instances": [[1, 2',
    "empty": b"",
    "no object": b"[[1, 2, 3, 4]]",
    "no key": b'{"rows": [[1, 2, 3, 4]]}',
    "wrong shape": _rows([[1, 2, 3]]),
    "ragged": _rows([[1, 2, 3, 4], [1]]),
    "strings": _rows([["1", "2", "3", "4"]]),
    "objects": _rows([[{}, {}, {}, {}]]),
    "depth": b'{"instances": ' + _DEEP + b"}",
    "no UTF-8": b'{"instances": [["\xff\xfe"]]}',
    "null": _rows(None),
    "scalar": _rows(3),
    "NaN": b'{"instances": [[NaN, 2, 3, 4]]}',
    "no rows": _rows([]),
    "20 million": b'{"instances": [[' + _MANY + b"]]}",
}

V2 = {
    "malformed": b'{"inputs": [',
    "empty": b"",
    "no object": b"[]",
    "no key": b'{"tensors": []}',
    "no inputs": b'{"inputs": []}',
    "other size": _tensor(data=[1, 2, 3]),
    "wrong shape": _tensor(shape=[2, 2]),
    "negative": _tensor(shape=[-1, 4]),
    "no datatype": _tensor(datatype="FP31"),
    "whole numbers": _tensor(datatype="INT64"),
    "bytes": _tensor(datatype="BYTES", data=["1", "2", "3", "4"]),
    "strings": _tensor(data=["1", "2", "3", "4"]),
    "huge": _tensor(shape=[2**62, 4]),
    "depth": b'{"inputs": ' + _DEEP + b"}",
    "20 million": b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 20000000],'
    b' "data": [' + _MANY + b"]}]}",
}
