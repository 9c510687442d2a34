"""Other people's programs that ask a model: curl, and clients written for TensorFlow Serving, for
the Open Inference Protocol and for Triton. They know an address and a token, and nothing of us."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from model_service import ModelService, model_service
from peer_env import environment

ROWS = [[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]]
SUMS = [[10.0, -2.0], [4.0, 1.0]]
CLIENTS = ("tritonclient[http]==2.*", "kserve==0.21.*", "schemathesis==4.*")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Iterator[ModelService]:
    """The model ``net`` with two replicas, and ``two``, which has two inputs and outputs."""
    with model_service(tmp_path_factory.mktemp("clients")) as service:
        service.serve(onnx_models / "net.onnx", replicas=2)
        service.serve(onnx_models / "two.onnx", "two")
        yield service


class TensorFlowClient:
    """Asks as the documentation of TensorFlow Serving's REST interface has it."""

    def __init__(self, service: ModelService, model: str) -> None:
        self._at = service.url(f"v1/models/{model}", model)
        self._http = service.http

    def status(self) -> Any:
        """``GET /v1/models/${MODEL_NAME}``."""
        return self._http.get(self._at).raise_for_status().json()

    def predict(self, version: int | None = None, **body: Any) -> Any:
        """``POST /v1/models/${MODEL_NAME}[/versions/${MODEL_VERSION}]:predict``."""
        which = "" if version is None else f"/versions/{version}"
        return self._http.post(f"{self._at}{which}:predict", json=body).raise_for_status().json()


def test_rows(served: ModelService) -> None:
    """Row format, with the name of the signature that every exported model has."""
    client = TensorFlowClient(served, "net")

    assert {"predictions": SUMS} == client.predict(instances=ROWS)
    assert {"predictions": SUMS} == client.predict(signature_name="serving_default", instances=ROWS)


def test_named_rows(served: ModelService) -> None:
    """A row of a model with several inputs names each; its prediction names each output."""
    found = TensorFlowClient(served, "two").predict(
        instances=[{"a": [1, 2], "b": [3, 4]}, {"a": [0, 0], "b": [5, 6]}]
    )

    assert [
        {"sum": [4, 6], "product": [3, 8]},
        {"sum": [5, 6], "product": [0, 0]},
    ] == found["predictions"]


def test_columns(served: ModelService) -> None:
    """Columnar format: a single input without its name, several by name."""
    one = TensorFlowClient(served, "net").predict(inputs=ROWS)
    two = TensorFlowClient(served, "two").predict(
        signature_name="serving_default", inputs={"a": [[1, 2]], "b": [[3, 4]]}
    )

    assert {"outputs": SUMS} == one
    assert {"outputs": {"sum": [[4, 6]], "product": [[3, 8]]}} == two


def test_the_status_of_a_model(served: ModelService) -> None:
    """Programs wait for a version to be AVAILABLE."""
    [version] = TensorFlowClient(served, "net").status()["model_version_status"]

    assert ("1", "AVAILABLE") == (version["version"], version["state"])
    assert "OK" == version["status"]["error_code"]


def test_what_tensorflow_serving_calls_an_error(served: ModelService) -> None:
    """Its clients read the sentence under ``error``."""
    answer = served.v1({"instances": [[1, 2]]})

    assert 400 == answer.status_code
    assert "input x: takes the shape" in answer.json()["error"]


def curl(served: ModelService, path: str, *options: str, token: str = "") -> tuple[int, Any]:
    """Status and JSON of what curl got."""
    given = ("-H", f"Authorization: token {token or served.token}")
    command = ("curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *given, *options)
    done = subprocess.run([*command, served.url(path)], capture_output=True, check=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_curl(served: ModelService, tmp_path: Path) -> None:
    """A body on the command line, as a file, and one so large that curl asks before it sends."""
    body = json.dumps({"instances": ROWS})
    file = tmp_path / "rows.json"
    file.write_text(body)
    large = tmp_path / "large.json"
    large.write_text(json.dumps({"instances": ROWS * 20_000}))
    json_ = ("-H", "Content-Type: application/json")
    predict = "v1/models/net:predict"
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 4], "data": ROWS}

    assert (200, {"predictions": SUMS}) == curl(served, predict, *json_, "-d", body)
    assert (200, {"predictions": SUMS}) == curl(served, predict, *json_, "-d", f"@{file}")
    # curl's own word for a body, which is no form.
    assert (200, {"predictions": SUMS}) == curl(served, predict, "-d", body)
    status, answer = curl(
        served, predict, *json_, "-H", "Expect: 100-continue", "--data-binary", f"@{large}"
    )
    assert (200, 40_000) == (status, len(answer["predictions"]))
    status, answer = curl(
        served, "v2/models/net/infer", *json_, "-d", json.dumps({"inputs": [tensor]})
    )
    assert [10, -2, 4, 1] == answer["outputs"][0]["data"]


def test_curl_without_a_token(served: ModelService) -> None:
    """A stranger is told so in JSON, and a form that came without its body what is missing."""
    status, answer = curl(served, "v1/models/net:predict", "-d", "{}", token="wrong")
    assert status in (401, 403)
    assert answer["error"]

    status, answer = curl(served, "v1/models/net:predict", "-d", "")
    assert 400 == status
    assert "JSON" in answer["error"]


def program(served: ModelService, source: str) -> Any:
    """What a program printed as JSON, in an environment that has the clients and nothing of us."""
    python = environment("clients", *CLIENTS)
    given = {"ADDRESS": served.url(), "TWO": served.url(name="two"), "TOKEN": served.token}
    done = subprocess.run(
        [python, "-c", textwrap.dedent(source)],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **given},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


TRITON = """
    import json, os, numpy
    import tritonclient.http as triton
    url = os.environ["ADDRESS"].removeprefix("http://").rstrip("/")
    auth = {"Authorization": "token " + os.environ["TOKEN"]}
    client = triton.InferenceServerClient(url=url)
    x = triton.InferInput("x", [2, 4], "FP32")
    rows = numpy.array([[1, 2, 3, 4], [1, 1, 1, 1]], dtype=numpy.float32)
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_triton_asks_what_there_is(served: ModelService) -> None:
    """tritonclient finds the server alive, the model ready, and its metadata."""
    found = program(
        served,
        TRITON
        + """
    print(json.dumps({
        "live": client.is_server_live(headers=auth),
        "ready": client.is_server_ready(headers=auth),
        "model": client.is_model_ready("net", headers=auth),
        "other": client.is_model_ready("other", headers=auth),
        "server": client.get_server_metadata(headers=auth),
        "about": client.get_model_metadata("net", headers=auth),
    }))
    """,
    )

    assert (True, True, True, False) == tuple(
        found[key] for key in ("live", "ready", "model", "other")
    )
    assert [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}] == found["about"]["inputs"]
    assert {"name", "version", "extensions"} <= found["server"].keys()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("sent", ["False", "True"], ids=["json sent", "binary sent"])
@pytest.mark.parametrize("asked", ["False", "True"], ids=["json asked", "binary asked"])
def test_triton_infers(served: ModelService, sent: str, asked: str) -> None:
    """tritonclient gets the same numbers with tensors as JSON and with tensors as bytes, which is
    what it sends unless told otherwise."""
    found = program(
        served,
        TRITON
        + f"""
    x.set_data_from_numpy(rows, binary_data={sent})
    y = triton.InferRequestedOutput("y", binary_data={asked})
    answer = client.infer("net", [x], outputs=[y], request_id="mine", headers=auth)
    print(json.dumps([answer.as_numpy("y").tolist(), answer.get_response()["id"]]))
    """,
    )

    assert [SUMS, "mine"] == found


@pytest.mark.long
@pytest.mark.timeout(900)
def test_triton_by_default(served: ModelService) -> None:
    """As its examples are written: no output named, and several requests at once."""
    found = program(
        served,
        TRITON
        + """
    x.set_data_from_numpy(rows)
    plain = client.infer("net", [x], headers=auth).as_numpy("y").tolist()
    many = [client.async_infer("net", [x], headers=auth) for _ in range(20)]
    many = [one.get_result().as_numpy("y").tolist() for one in many]
    print(json.dumps([plain, all(one == plain for one in many), len(many)]))
    """,
    )

    assert [SUMS, True, 20] == found


@pytest.mark.long
@pytest.mark.timeout(900)
def test_triton_is_told_what_is_wrong(served: ModelService) -> None:
    """A shape that does not fit is the model server's sentence, as an exception of Triton's."""
    found = program(
        served,
        TRITON
        + """
    x = triton.InferInput("x", [1, 2], "FP32")
    x.set_data_from_numpy(rows[:1, :2], binary_data=False)
    try:
        client.infer("net", [x], headers=auth)
    except triton.InferenceServerException as exc:
        print(json.dumps([exc.status(), exc.message()]))
    """,
    )

    assert "400" == found[0]
    assert "input x: takes the shape [?, 4], not [1, 2]" in found[1]


KSERVE = """
    import asyncio, json, os, numpy
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
    auth = {"Authorization": "token " + os.environ["TOKEN"]}
    at = os.environ["ADDRESS"].rstrip("/")
    rows = numpy.array([[1, 2, 3, 4], [1, 1, 1, 1]], dtype=numpy.float32)
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("binary", ["False", "True"], ids=["json", "binary"])
def test_kserves_client_with_v2(served: ModelService, binary: str) -> None:
    """KServe's inference client gets tensors, and knows whether the model is ready."""
    found = program(
        served,
        KSERVE
        + f"""
    async def main():
        client = InferenceRESTClient(RESTConfig(protocol="v2", verbose=False))
        x = InferInput("x", [2, 4], "FP32")
        x.set_data_from_numpy(rows, binary_data={binary})
        asked = InferRequest(model_name="net", request_id="mine", infer_inputs=[x])
        answer = await client.infer(
            at, data=asked, model_name="net", headers=auth, timeout=20
        )
        print(json.dumps([
            answer.outputs[0].as_numpy().tolist(),
            answer.id,
            await client.is_server_live(at, headers=auth),
            await client.is_server_ready(at, headers=auth),
            await client.is_model_ready(at, "net", headers=auth),
        ]))
    asyncio.run(main())
    """,
    )

    assert [SUMS, "mine", True, True, True] == found


@pytest.mark.long
@pytest.mark.timeout(900)
def test_kserves_client_with_v1(served: ModelService) -> None:
    """KServe's inference client gets predictions for rows, by names and without."""
    found = program(
        served,
        KSERVE
        + """
    async def main():
        client = InferenceRESTClient(RESTConfig(protocol="v1", verbose=False))
        one = await client.infer(
            at, {"instances": rows.tolist()}, model_name="net", headers=auth, timeout=20
        )
        two = await client.infer(
            os.environ["TWO"].rstrip("/"), {"instances": [{"a": [1, 2], "b": [3, 4]}]},
            model_name="two", headers=auth, timeout=20,
        )
        print(json.dumps([one, two, await client.is_model_ready(at, "net", headers=auth)]))
    asyncio.run(main())
    """,
    )

    two = {"sum": [4, 6], "product": [3, 8]}
    assert [{"predictions": SUMS}, {"predictions": [two]}, True] == found


def test_a_client_that_hangs_up(served: ModelService) -> None:
    """Whoever goes in the middle of a body or before the answer harms nobody else."""
    before = served.replica().pid
    body = json.dumps({"instances": ROWS * 50_000}).encode()
    for _ in range(5):
        with pytest.raises(httpx.TimeoutException):
            served.http.post(
                served.url("v1/models/net:predict"),
                content=body,
                timeout=httpx.Timeout(20, read=0.01),
            )

    assert {"predictions": SUMS} == served.v1({"instances": ROWS}).json()
    assert before == served.replica().pid
