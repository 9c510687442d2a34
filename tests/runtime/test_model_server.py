"""A replica: KServe's model server for one ONNX model, as a real process on a real socket."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from replica import Replica

from dllab_hub.shim.ports import free_port

Serve = Callable[[str], Replica]
Start = Callable[..., Replica]
V1, V2 = "/v1/models/net:predict", "/v2/models/net/infer"
#: A tensor that fits ``net.onnx``.
X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
MEGABYTE = 1_000_000


def test_v1_answers_a_row_for_each_instance(serve: Serve) -> None:
    """Predictions are in the order of the instances, and say which version made them."""
    answer = serve("net").v1({"instances": [[1, 2, 3, 4], [1, 1, 1, 1.0]]})

    assert (200, {"predictions": [[10, -2], [4, 1]]}) == (answer.status_code, answer.json())
    assert "3" == answer.headers["x-model-version"]
    assert "application/json" == answer.headers["content-type"]


def test_v2_answers_tensors(serve: Serve) -> None:
    """The answer has the caller's id, and flat data with its shape."""
    answer = serve("net").v2({**X, "shape": [2, 4], "data": [1, 2, 3, 4, 1, 1, 1, 1]}, id="mine")

    assert {
        "model_name": "net",
        "model_version": "3",
        "id": "mine",
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [10, -2, 4, 1]},
        ],
    } == answer.json()


def test_v2_takes_nested_data(serve: Serve) -> None:
    """Data may be nested as the shape says."""
    answer = serve("net").v2({**X, "data": [[1, 2, 3, 4]]})

    assert [10, -2] == answer.json()["outputs"][0]["data"]


def test_several_inputs_and_outputs(serve: Serve) -> None:
    """Rows are objects by name in V1; V2 answers only what is asked for."""
    server = serve("two")
    rows = server.v1({"instances": [{"a": [1, 2], "b": [3, 4]}, {"a": [0, 0], "b": [5, 6]}]})
    a, b = ({**X, "name": name, "shape": [1, 2], "data": [3, 4]} for name in "ab")
    tensors = server.v2(a, b, outputs=[{"name": "product"}])

    assert [
        {"sum": [4, 6], "product": [3, 8]},
        {"sum": [5, 6], "product": [0, 0]},
    ] == rows.json()["predictions"]
    assert [("product", [9, 16])] == [(o["name"], o["data"]) for o in tensors.json()["outputs"]]


@pytest.mark.parametrize(
    ("type", "datatype", "values"),
    [
        ("DOUBLE", "FP64", [0.1, -1e300]),
        ("FLOAT16", "FP16", [0.5, -2]),
        ("INT8", "INT8", [-128, 127]),
        ("INT16", "INT16", [-32768, 5]),
        ("INT32", "INT32", [-(2**31), 5]),
        ("INT64", "INT64", [-(2**63), 2**53 + 1]),
        ("UINT8", "UINT8", [0, 255]),
        ("UINT16", "UINT16", [0, 65535]),
        ("UINT32", "UINT32", [0, 2**32 - 1]),
        ("UINT64", "UINT64", [0, 2**64 - 1]),
        ("BOOL", "BOOL", [True, False]),
        ("STRING", "BYTES", ["ä <b>", ""]),
    ],
)
def test_every_type_comes_back_as_it_was(
    serve: Serve, type: str, datatype: str, values: list[Any]
) -> None:
    """No value loses a digit on its way, in either protocol."""
    server = serve(f"id_{type}")
    tensor = {"name": "x", "datatype": datatype, "shape": [1, 2], "data": values}

    assert [values] == server.v1({"instances": [values]}).json()["predictions"]
    assert [{**tensor, "name": "y"}] == server.v2(tensor).json()["outputs"]


def test_a_result_that_is_no_number_is_null(serve: Serve) -> None:
    """JSON has no NaN and no Infinity."""
    assert [[None, None]] == serve("log").v1({"instances": [[-1, 0]]}).json()["predictions"]


def test_a_model_without_rows_is_asked_with_v2(serve: Serve) -> None:
    """V1 says so, V2 answers."""
    server = serve("total")
    refused = server.v1({"instances": [[1, 2]]})
    answer = server.v2({**X, "shape": [1, 2], "data": [1, 2]}).json()["outputs"]

    assert (400, True) == (refused.status_code, "V2" in refused.json()["error"])
    assert [{"name": "y", "datatype": "FP32", "shape": [], "data": [3]}] == answer


def test_the_metadata_is_the_protocols(serve: Serve) -> None:
    """A client can ask what the model takes; an axis of any size is -1."""
    about = serve("net").client.get("/v2/models/net").json()

    assert [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}] == about["inputs"]
    assert [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}] == about["outputs"]


WRONG_V1 = {
    "malformed": (b'{"instances": [[1, 2', "not JSON"),
    "empty": (b"", "not JSON"),
    "bad UTF-8": (b'{"instances": [["\xff"]]}', "not JSON"),
    "not an object": (b"[1]", "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "scalar": (b"3", "must be a JSON object"),
    "no key": (b"{}", '{"instances": [...]}'),
    "instances no list": (b'{"instances": 3}', '{"instances": [...]}'),
    "no rows": (b'{"instances": []}', "at least one row"),
    "short row": (b'{"instances": [[1, 2, 3]]}', "input x: takes the shape [?, 4], not [1, 3]"),
    "flat": (b'{"instances": [1, 2, 3, 4]}', "input x: takes the shape [?, 4], not [4]"),
    "too deep": (b'{"instances": [[[1, 2, 3, 4]]]}', "takes the shape [?, 4], not [1, 1, 4]"),
    "empty rows": (b'{"instances": [[], []]}', "takes the shape [?, 4], not [2, 0]"),
    "ragged": (b'{"instances": [[1, 2, 3, 4], [1]]}', "lists are uneven"),
    "half a row": (b'{"instances": [[1, 2, 3, 4], 5]}', "lists are uneven"),
    "strings": (b'{"instances": [["1", "2", "3", "4"]]}', "FP32 [?, 4], not strings"),
    "truth": (b'{"instances": [[true, 2, 3, 4]]}', "not true or false"),
    "null in it": (b'{"instances": [[null, 2, 3, 4]]}', "not null"),
    "objects": (b'{"instances": [[{}, 2, 3, 4]]}', "not objects"),
    "NaN": (b'{"instances": [[NaN, 2, 3, 4]]}', "must be finite"),
    "Infinity": (b'{"instances": [[1, -Infinity, 3, 4]]}', "must be finite"),
    "too large": (b'{"instances": [[1e39, 2, 3, 4]]}', "out of the range of FP32"),
    "digits": (b'{"instances": [[' + b"9" * 400 + b", 2, 3, 4]]}", ""),
    "unknown input": (b'{"instances": [{"z": [1]}]}', "instances[0]: input x is missing"),
    "one too many": (b'{"instances": [{"x": [1, 2, 3, 4], "<b>": 1}]}', "no input '<b>'"),
    "mixed rows": (b'{"instances": [{"x": [1, 2, 3, 4]}, [1]]}', "instances[1]: must be an obj"),
    "100 deep": (b'{"instances": ' + b"[" * 100 + b"1" + b"]" * 101 + b"}", ""),
    "depth bomb": (b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "depth"),
    "million rows": (
        b'{"instances": [' + b"[]," * MEGABYTE + b"[]]}",
        "takes the shape [?, 4], not [1000001, 0]",
    ),
    "long text": (
        b'{"instances": [["' + b"a" * 4 * MEGABYTE + b'","b","b","b"]'
        b"" + b',["b","b","b","b"]' * 200_000 + b"]}",
        "not strings",
    ),
    "one long row": (b'{"instances": [[' + b"1.5," * 1_900_000 + b"1]]}", "not [1, 1900001]"),
}


def tensors(**changes: object) -> bytes:
    return json.dumps({"inputs": [{**X, **changes}]}).encode()


WRONG_V2 = {
    "malformed": (b'{"inputs": [', "not JSON"),
    "empty": (b"", "not JSON"),
    "not an object": (b"[]", "must be a JSON object"),
    "no key": (b"{}", '{"inputs": [...]}'),
    "inputs no list": (b'{"inputs": {}}', '{"inputs": [...]}'),
    "no inputs": (b'{"inputs": []}', "inputs: must have x"),
    "no tensor": (b'{"inputs": [3]}', "inputs[0]: must be an object with a name"),
    "no name": (b'{"inputs": [{}]}', "inputs[0]: must be an object with a name"),
    "unknown": (tensors(name="z"), "there is no input 'z'; the model takes x"),
    "twice": (json.dumps({"inputs": [X, X]}).encode(), "input x: is there twice"),
    "negative": (tensors(shape=[-1, 4]), "input x: the shape must be a list of whole numbers"),
    "zero": (tensors(shape=[0, 4], data=[]), "the shape must be a list of whole numbers from 1"),
    "fraction": (tensors(shape=[1.0, 4]), "the shape must be a list of whole numbers"),
    "truth": (tensors(shape=[True, 4]), "the shape must be a list of whole numbers"),
    "text shape": (tensors(shape="[1,4]"), "the shape must be a list"),
    "no shape": (b'{"inputs": [{"name": "x", "datatype": "FP32", "data": []}]}', "the shape must"),
    "huge": (tensors(shape=[2**62, 4]), f"has {2**64} values, the data 4"),
    "many axes": (tensors(shape=[1] * 100_000), "takes the shape [?, 4]"),
    "rank": (tensors(shape=[4]), "input x: takes the shape [?, 4], not [4]"),
    "axis": (tensors(shape=[2, 2]), "input x: takes the shape [?, 4], not [2, 2]"),
    "fewer": (tensors(shape=[2, 4]), "the shape [2, 4] has 8 values, the data 4"),
    "nested wrong": (tensors(data=[[1, 2], [3, 4]]), "the shape is [1, 4], the data's [2, 2]"),
    "ragged": (tensors(data=[[1, 2, 3], [4]]), "the shape is [1, 4], the data's [2, 3]"),
    "uneven": (tensors(shape=[2, 4], data=[[1, 2, 3, 4], [5]]), "lists are uneven"),
    "datatype": (tensors(datatype="INT64"), "input x: the datatype must be FP32"),
    "odd datatype": (tensors(datatype=[]), "input x: the datatype must be FP32"),
    "strings": (tensors(data=["1", "2", "3", "4"]), "not strings"),
    "no data": (b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4]}]}', "the data"),
    "NaN": (b'{"inputs": [{"name": "x", "data": [NaN]}]}', "must be finite"),
    "outputs": (json.dumps({"inputs": [X], "outputs": [{"name": "z"}]}).encode(), "some of y"),
    "id": (json.dumps({"inputs": [X], "id": 3}).encode(), "id: must be a string"),
    "long": (tensors(shape=[1, MEGABYTE], data=[1] * MEGABYTE), "not [1, 1000000]"),
}


WRONG = [
    pytest.param(path, body, said, id=f"{path[1:3]} {name}")
    for path, wrong in ((V1, WRONG_V1), (V2, WRONG_V2))
    for name, (body, said) in wrong.items()
]


@pytest.mark.parametrize(("path", "body", "said"), WRONG)
def test_garbage_is_refused_with_a_sentence(
    serve: Serve, path: str, body: bytes, said: str
) -> None:
    """400 within a second, short and saying what is wrong; the next good request is answered."""
    server = serve("net")
    began = time.monotonic()
    answer = server.client.post(path, content=body)
    took = time.monotonic() - began

    assert (400, ["error"]) == (answer.status_code, list(answer.json()))
    assert said in answer.json()["error"]
    assert len(answer.content) < 500
    assert took < 1
    assert 200 == server.v1({"instances": [[1, 2, 3, 4]]}).status_code


def test_garbage_costs_no_memory(start: Start) -> None:
    """After all of it, three times over, the process soon holds what it held before, or nearly."""
    server = start("net").wait_ready()
    server.v1({"instances": [[1, 2, 3, 4]]})
    before = server.memory
    for _ in range(3):
        for path, wrong in ((V1, WRONG_V1), (V2, WRONG_V2)):
            for body, _ in wrong.values():
                server.client.post(path, content=body)
        server.client.post(V1, content=b" " * 40 * MEGABYTE)

    server.wait_until(lambda: server.memory - before < 15 * MEGABYTE)


def test_a_large_good_request_costs_no_memory(serve: Serve) -> None:
    """What the largest batch needed is soon given back."""
    server = serve("net")
    server.v1({"instances": [[1, 2, 3, 4]] * 100})
    before = server.memory
    answer = server.v1({"instances": [[1, 2, 3, 4]] * 400_000})

    assert (200, 400_000) == (answer.status_code, len(answer.json()["predictions"]))
    server.wait_until(lambda: server.memory - before < 15 * MEGABYTE)


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_too_large_is_413(serve: Serve, is_chunked: bool) -> None:
    """40 MB are refused within a second, and the client reads why."""
    server = serve("net")
    part = b" " * MEGABYTE
    began = time.monotonic()
    content = iter([part] * 40) if is_chunked else part * 40
    answer = server.client.post(V1, content=content)

    assert time.monotonic() - began < 1
    assert 413 == answer.status_code
    assert f"larger than {8 * 1024 * 1024} bytes" in answer.json()["error"]


def test_wrong_values_for_other_types(serve: Serve) -> None:
    """A fraction is no integer, and a number that does not fit is not bent until it does."""
    whole = serve("id_INT8")
    text = serve("id_STRING")
    half = serve("id_FLOAT16")

    def said(server: Replica, values: list[Any]) -> str:
        answer = server.v1({"instances": [values]})
        assert 400 == answer.status_code
        return str(answer.json()["error"])

    assert "not numbers with a fraction" in said(whole, [1.5, 2])
    assert "out of the range of INT8" in said(whole, [300, 2])
    assert "not whole numbers" in said(text, [1, 2])
    assert "out of the range of FP16" in said(half, [70000, 2])


def test_a_value_that_the_model_refuses_is_the_callers(serve: Serve) -> None:
    """An index out of range is 400 with ONNX Runtime's reason, not a failure of the replica."""
    server = serve("gather")
    answer = server.v1({"instances": [7]})

    assert 400 == answer.status_code
    assert "the model cannot compute this: " in answer.json()["error"]
    assert "out of data bounds" in answer.json()["error"]
    assert 200 == server.v1({"instances": [2]}).status_code


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v2/repository/models/net/unload", 404),
        ("POST", "/v2/repository/models/net/load", 404),
        ("POST", "/v2/repository/index", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v1/models/net:explain", 404),
        ("POST", "/v2/models/net/versions/1/infer", 404),
        ("GET", "/v2/models/other/ready", 404),
        ("GET", "/docs", 404),
        ("GET", "/v1/models/../../etc/passwd", 404),
        ("GET", V1, 405),
        ("GET", "/v2/health/live", 200),
        ("GET", "/metrics", 200),
    ],
)
def test_only_the_models_own_paths(serve: Serve, method: str, path: str, status: int) -> None:
    """Nobody loads or unloads a model, and nothing else is to be found."""
    assert status == serve("net").client.request(method, path).status_code


def test_a_request_for_another_replica(serve: Serve) -> None:
    """In a cluster its address may have been another's: who is named and is not it gets nothing."""
    client, body = serve("net").client, {"instances": [[1, 2, 3, 4]]}
    for replica, status in ((socket.gethostname(), 200), ("s-another-1", 421)):
        headers = {"x-dllab-replica": replica}
        assert status == client.post(V1, json=body, headers=headers).status_code
        assert status == client.get("/v2/health/live", headers=headers).status_code


def test_it_listens_on_its_socket_only(serve: Serve) -> None:
    """No port of the machine is open, and no other account reaches the socket."""
    server = serve("net")
    listening = psutil.Process(server.process.pid).net_connections("inet")
    mode = server.socket.stat().st_mode

    assert [] == listening
    assert (True, 0o600) == (stat.S_ISSOCK(mode), stat.S_IMODE(mode))


def test_its_log_is_short(serve: Serve) -> None:
    """One line at the start; requests, good or bad, write nothing."""
    server = serve("log")
    for _ in range(5):
        server.v1({"instances": [[1, 2]]})
        server.v1({"instances": []})
    [line] = server.log.read_text().splitlines()

    assert "net, version 3: x FP32 [?, 2] -> y FP32 [?, 2]" in line


def test_a_long_computation_does_not_stop_the_rest(serve: Serve) -> None:
    """While the model works, the replica says that it is ready."""
    server = serve("rounds")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.v1, {"instances": [server.rounds_of(2)]})
        server.wait_busy()
        began = time.monotonic()
        ready = server.client.get("/v2/models/net/ready").status_code
        took = time.monotonic() - began
        is_done = answer.done()

    assert (200, False, 200) == (ready, is_done, answer.result().status_code)
    assert took < 0.5


def test_sigterm_lets_requests_end(start: Start) -> None:
    """What is under way is answered, then it ends well and takes its socket along."""
    server = start("rounds").wait_ready()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.v1, {"instances": [server.rounds_of(2)]})
        server.wait_busy()
        server.process.terminate()
        code = server.process.wait(15)

    assert (0, 200) == (code, answer.result().status_code)
    assert not server.socket.exists()


def test_sigterm_ends_within_ten_seconds(start: Start) -> None:
    """A computation without an end does not keep it."""
    server = start("rounds").wait_ready()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.v1, {"instances": [2**40]})
        server.wait_busy()
        began = time.monotonic()
        server.process.terminate()
        code = server.process.wait(15)
        took = time.monotonic() - began

    assert 0 == code
    assert took < 10
    # It is told, if there is still time for that.
    error = answer.exception()
    assert isinstance(error, httpx.TransportError) if error else answer.result().is_server_error


def test_a_socket_that_was_left_is_replaced(start: Start) -> None:
    """A replica that was killed does not keep the next one from its place."""
    first = start("net").wait_ready()
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()
    second = start("net").wait_ready()

    assert 200 == second.v1({"instances": [[1, 2, 3, 4]]}).status_code


def test_a_limit_of_its_own(start: Start) -> None:
    """The largest body is what the environment says."""
    server = start("net", max_body=1000).wait_ready()

    assert [400, 413] == [
        server.client.post(V1, content=b" " * size).status_code for size in (1000, 1001)
    ]


@pytest.mark.parametrize("name", ["text", "missing", "sequence"])
def test_a_model_that_cannot_be_served_ends_it(start: Start, name: str) -> None:
    """The exit code is 1 and the log has one line that says why."""
    server = start(name)
    code = server.process.wait(60)
    [line] = server.log.read_text().splitlines()

    assert 1 == code
    assert "the model cannot be served: " in line


@pytest.fixture
def listens(
    onnx_models: Path, tmp_path: Path
) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts the program as in a pod, without a socket; it ends with the test."""
    made: list[subprocess.Popen[bytes]] = []

    def start(listen: str) -> subprocess.Popen[bytes]:
        environ = {
            "DLLAB_MODEL_NAME": "net",
            "DLLAB_MODEL_FILE": str(onnx_models / "net.onnx"),
            "DLLAB_MODEL_VERSION": "3",
            "DLLAB_LISTEN": listen,
        }
        command = [os.environ["DLLAB_TEST_SERVER"], "-P", "-m", "dllab_hub.runtime.model_server"]
        made.append(
            subprocess.Popen(
                command, env={**os.environ, **environ}, stderr=subprocess.PIPE, cwd=tmp_path
            )
        )
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.communicate()


def test_a_port_in_place_of_a_socket(listens: Callable[[str], subprocess.Popen[bytes]]) -> None:
    """In a pod it listens on TCP, answers as on its socket, and ends when it is told to."""
    port = free_port()
    process = listens(f"127.0.0.1:{port}")
    at = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=at, trust_env=False, timeout=30) as http:
        deadline = time.monotonic() + 60
        while True:
            try:
                if http.get("/v2/models/net/ready").status_code == 200:
                    break
            except httpx.TransportError:
                assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        answer = http.post(V1, json={"instances": [[1, 2, 3, 4]]})
    found = {one.laddr.ip for one in psutil.Process(process.pid).net_connections("inet")}
    process.terminate()

    assert {"predictions": [[10, -2]]} == answer.json()
    assert {"127.0.0.1"} == found
    assert 0 == process.wait(15)


@pytest.mark.parametrize("listen", ["0", "65536", "host:80", "80:", "-1", "8080 "])
def test_a_port_that_is_none(
    listens: Callable[[str], subprocess.Popen[bytes]], listen: str
) -> None:
    """It ends with one line that says what it has to be."""
    process = listens(listen)
    said = process.communicate(timeout=60)[1].decode()

    assert 1 == process.returncode
    assert "DLLAB_LISTEN must be a port from 1 to 65535" in said
    assert "Traceback" not in said
