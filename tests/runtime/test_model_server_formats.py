"""Other formats than ONNX, each in the image that serves it: what files say, and replicas."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from format_files import TENSORFLOW, TORCH, needs, write
from replica import Replica

torch = needs("serving-torch")
tensorflow = needs("serving-tensorflow")
ONNX = os.environ.get("DLLAB_TEST_SERVER", "")
ROWS = {"instances": [[1, 2, 3, 4], [1, 1, 1, 1]]}
ANSWERS = {"predictions": [[10, -2], [4, 1]]}
X = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
Serve = Callable[[str, Path], Replica]


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `format_files`."""
    return write(TORCH, tmp_path_factory.mktemp("torch"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `format_files`."""
    return write(TENSORFLOW, tmp_path_factory.mktemp("tensorflow"))


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """The replica of a model in the Python that serves it; all end with the module."""
    replicas: dict[Path, Replica] = {}
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:

        def serve(python: str, file: Path) -> Replica:
            if file not in replicas:
                patch.setenv("DLLAB_TEST_SERVER", python)
                folder = Path(root, str(len(replicas)))
                folder.mkdir()
                replicas[file] = Replica(file, folder)
            return replicas[file].wait_ready()

        try:
            yield serve
        finally:
            for replica in replicas.values():
                replica.end()


def inspect(python: str, path: Path, example: str = "") -> tuple[int, dict[str, Any]]:
    """Exit code, and what was printed."""
    done = subprocess.run(
        [python, "-P", "-m", "dllab_hub.runtime.inspect_model", path, *(["-"] if example else [])],
        input=example,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout)


@torch
class TestTorch:
    """torch.export and TorchScript."""

    def test_a_program_says_what_it_takes(self, torch_files: Path) -> None:
        """Names, types and free axes are the program's own; so is the example."""
        code, said = inspect(TORCH, torch_files / "net.pt2")

        assert 0 == code
        assert [{"name": "x", "datatype": "FP32", "shape": [None, 4]}] == said["inputs"]
        assert [{"name": "output", "datatype": "FP32", "shape": [None, 2]}] == said["outputs"]
        assert {"instances": [[1, 1, 1, 1]]} == json.loads(said["example"])

    def test_sizes_of_axes(self, torch_files: Path) -> None:
        """Those that are fixed are, and those that follow from others are free."""
        _, fixed = inspect(TORCH, torch_files / "fixed.pt2")
        code, free = inspect(TORCH, torch_files / "arithmetic.pt2")

        assert [2, 4] == fixed["inputs"][0]["shape"]
        assert (0, [None, 1, None], [None]) == (
            code,
            free["inputs"][0]["shape"],
            free["outputs"][0]["shape"],
        )

    @pytest.mark.parametrize("name", ["sample", "weight", "constant", "expression"])
    def test_nothing_in_a_program_is_run(self, torch_files: Path, name: str) -> None:
        """A file that hides code in the places where PyTorch would run it is refused."""
        code, said = inspect(TORCH, torch_files / f"{name}.pt2")

        assert (1, ["error"]) == (code, list(said))
        assert not (torch_files / "ran").exists()

    def test_guards_of_a_program_are_left_out(self, serve: Serve, torch_files: Path) -> None:
        """They are Python in the file: the model answers, and they are not run."""
        assert b"mkdir" in (torch_files / "guard.pt2").read_bytes()
        assert ANSWERS == serve(TORCH, torch_files / "guard.pt2").v1(ROWS).json()
        assert not (torch_files / "ran").exists()

    @pytest.mark.parametrize("name", ["cut-net.pt2", "cut-net.pt"])
    def test_damaged_files(self, torch_files: Path, name: str) -> None:
        """They are one sentence, without a path of this machine."""
        code, said = inspect(TORCH, torch_files / name)

        assert (1, ["error"]) == (code, list(said))
        assert str(torch_files) not in said["error"]

    def test_a_script_takes_what_its_example_has(self, torch_files: Path) -> None:
        """The one inside does; the number of rows is free when the module takes others."""
        code, said = inspect(TORCH, torch_files / "net.pt")

        assert 0 == code
        assert [{"name": "x", "datatype": "FP32", "shape": [None, 4]}] == said["inputs"]
        assert [{"name": "output", "datatype": "FP32", "shape": [None, 2]}] == said["outputs"]

    def test_an_example_beside_a_script(self, torch_files: Path) -> None:
        """Either protocol says it; V2 with the types."""
        ids = {"name": "ids", "datatype": "INT64", "shape": [2], "data": [0, 2]}
        found = [
            inspect(TORCH, torch_files / "pick.pt", example)
            for example in ('{"instances": [0, 2]}', json.dumps({"inputs": [ids]}))
        ]

        for code, said in found:
            assert (0, "INT64", [None]) == (
                code,
                said["inputs"][0]["datatype"],
                said["inputs"][0]["shape"],
            )
            assert {"instances": [0, 2]} == json.loads(said["example"])

    @pytest.mark.parametrize(
        ("name", "example", "words"),
        [
            ("bare.pt", "", "does not say what it takes"),
            ("bare.pt", "{", "it is not JSON"),
            ("bare.pt", '{"instances": [[1.0, 2]]}', "the model cannot compute this"),
            ("bare.pt", '{"instances": [{"z": [1.0]}]}', "the model takes x"),
            ("pick.pt", '{"instances": [0.5]}', "the model cannot compute this"),
            ("net.pt2", '{"instances": [[1]]}', "takes the shape [?, 4]"),
        ],
    )
    def test_no_use_of_an_example(
        self, torch_files: Path, name: str, example: str, words: str
    ) -> None:
        """One that is missing or does not fit is refused with a sentence."""
        code, said = inspect(TORCH, torch_files / name, example)

        assert (1, ["error"]) == (code, list(said))
        assert words in said["error"]

    @pytest.mark.parametrize("name", ["net.pt2", "net.pt"])
    def test_both_protocols(self, serve: Serve, torch_files: Path, name: str) -> None:
        """They answer as for an ONNX model."""
        server = serve(TORCH, torch_files / name)

        assert ANSWERS == server.v1(ROWS).json()
        assert [10, -2] == server.v2(X).json()["outputs"][0]["data"]
        assert 400 == server.v1({"instances": [[1, 2]]}).status_code
        assert 400 == server.v2({**X, "datatype": "INT64"}).status_code

    def test_several_inputs_and_outputs(self, serve: Serve, torch_files: Path) -> None:
        """By name, whether the program takes them by place or by name."""
        row = {"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}
        answer = serve(TORCH, torch_files / "two.pt2").v1({"instances": [row]})

        assert [{"sum": [6, 8, 10, 12], "product": [5, 12, 21, 32]}] == answer.json()["predictions"]

    def test_a_signature_beside_a_script(self, serve: Serve, torch_files: Path) -> None:
        """What was found out at publication is beside the file: no example is needed any more."""
        _, said = inspect(TORCH, torch_files / "pick.pt", '{"instances": [0, 2]}')
        (torch_files / "beside").mkdir()
        file = torch_files / "beside" / "model.pt"
        file.write_bytes((torch_files / "pick.pt").read_bytes())
        file.with_name("signature.json").write_text(json.dumps(said))
        server = serve(TORCH, file)

        assert [[4, 5], [0, 1]] == server.v1({"instances": [2, 0]}).json()["predictions"]
        refused = server.v1({"instances": [7]})
        assert (400, True) == (
            refused.status_code,
            "the model cannot compute this: " in refused.json()["error"],
        )
        assert 200 == server.v1({"instances": [1]}).status_code


@tensorflow
class TestTensorFlow:
    """SavedModels."""

    def test_a_directory_says_what_it_takes(self, saved: Path) -> None:
        """It is the signature ``serving_default``."""
        code, said = inspect(TENSORFLOW, saved / "net")

        assert 0 == code
        assert [{"name": "x", "datatype": "FP32", "shape": [None, 4]}] == said["inputs"]
        assert [{"name": "y", "datatype": "FP32", "shape": [None, 2]}] == said["outputs"]

    @pytest.mark.parametrize(("name", "words"), [("other", "serve"), ("none", "no such file")])
    def test_what_is_none(self, saved: Path, name: str, words: str) -> None:
        """A directory without that signature, or no directory, is a sentence."""
        code, said = inspect(TENSORFLOW, saved / name)

        assert (1, ["error"]) == (code, list(said))
        assert words in said["error"] or "onnxruntime" in said["error"]

    def test_both_protocols(self, serve: Serve, saved: Path) -> None:
        """They answer as for an ONNX model."""
        server = serve(TENSORFLOW, saved / "net")

        assert ANSWERS == server.v1(ROWS).json()
        assert [10, -2] == server.v2(X).json()["outputs"][0]["data"]
        assert 400 == server.v1({"instances": [[1, 2]]}).status_code

    def test_text(self, serve: Serve, saved: Path) -> None:
        """Strings go in and come back as such."""
        answer = serve(TENSORFLOW, saved / "text").v1({"instances": [["ä", "b"]]})

        assert {"predictions": [["Ä", "B"]]} == answer.json()

    def test_a_value_that_the_model_refuses(self, serve: Serve, saved: Path) -> None:
        """An index out of range is the caller's mistake."""
        server = serve(TENSORFLOW, saved / "pick")
        refused = server.v1({"instances": [9]})

        assert 400 == refused.status_code, refused.text
        assert "the model cannot compute this: " in refused.json()["error"]
        assert str(saved) not in refused.json()["error"]
        assert 200 == server.v1({"instances": [1]}).status_code


def test_a_format_that_the_image_does_not_serve(tmp_path: Path) -> None:
    """The image for ONNX says what it lacks."""
    (tmp_path / "net.pt2").write_bytes(b"PK")
    code, said = inspect(ONNX, tmp_path / "net.pt2")

    assert (1, {"error": "this image has no torch: it cannot serve such a file."}) == (code, said)
