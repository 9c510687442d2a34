"""Pickled estimators and modules in the images that serve them: what they say, and replicas."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from format_files import SKLEARN, TORCH, needs, write
from replica import Replica

sklearn = needs("serving-sklearn")
torch = needs("serving-torch")
ONNX = os.environ.get("DLLAB_TEST_SERVER", "")
ROWS = {"instances": [[1, 2, 3, 4], [1, 1, 1, 1]]}
EXAMPLE = '{"instances": [[1.0, 2, 3, 4]]}'
X = {"name": "X", "datatype": "FP64", "shape": [1, 4], "data": [1, 2, 3, 4]}
Serve = Callable[..., Replica]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `format_files`."""
    return write(SKLEARN, tmp_path_factory.mktemp("sklearn"))


@pytest.fixture(scope="module")
def torch_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `format_files`."""
    return write(TORCH, tmp_path_factory.mktemp("torch"))


@pytest.fixture
def serve() -> Iterator[Serve]:
    """The replica of a model in the Python that serves it; all end with the test."""
    replicas: list[Replica] = []
    with tempfile.TemporaryDirectory() as root, pytest.MonkeyPatch.context() as patch:

        def serve(python: str, file: Path) -> Replica:
            patch.setenv("DLLAB_TEST_SERVER", python)
            folder = Path(root, str(len(replicas)))
            folder.mkdir()
            replicas.append(Replica(file, folder))
            return replicas[-1].wait_ready()

        try:
            yield serve
        finally:
            for replica in replicas:
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


def beside(said: dict[str, Any], file: Path, folder: Path) -> Path:
    """The file as the store has it, with what was found out about it beside it."""
    folder.mkdir()
    copy = folder / f"model{file.suffix}"
    copy.write_bytes(file.read_bytes())
    about = {key: said[key] for key in ("inputs", "outputs")}
    (folder / "signature.json").write_text(json.dumps(about))
    return copy


def named(file: Path, folder: Path) -> Path:
    """A copy under the name that the store gives it."""
    copy = folder / "model.pkl"
    copy.write_bytes(file.read_bytes())
    return copy


@sklearn
class TestEstimators:
    """scikit-learn."""

    @pytest.mark.parametrize(
        "name",
        ["net.pkl", "first.pkl", "net.zlib", "net.gzip", "net.bz2", "net.xz", "net.lzma"],
    )
    def test_what_it_takes_and_gives(self, files: Path, tmp_path: Path, name: str) -> None:
        """As many columns as it was fitted with, of any number of rows, however it was written."""
        code, said = inspect(SKLEARN, named(files / name, tmp_path))

        assert 0 == code, said
        assert [{"name": "X", "datatype": "FP64", "shape": [None, 4]}] == said["inputs"]
        assert [{"name": "predict", "datatype": "FP64", "shape": [None, 2]}] == said["outputs"]

    def test_probabilities(self, files: Path) -> None:
        """A classifier that knows them gives them beside its label."""
        _, said = inspect(SKLEARN, files / "classes.pkl")

        assert [("predict", "BYTES", [None]), ("predict_proba", "FP64", [None, 2])] == [
            (each["name"], each["datatype"], each["shape"]) for each in said["outputs"]
        ]

    def test_half_the_precision(self, files: Path) -> None:
        """One that takes nothing else but FP32 says so."""
        code, said = inspect(SKLEARN, files / "half.pkl")

        assert (0, "FP32") == (code, said["inputs"][0]["datatype"])

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("old.pkl", "it was made with scikit-learn 0.1.2, and here is 1."),
            ("own.pkl", "it needs Own of the notebook or program that made it"),
            ("unfitted.pkl", "does not say how many columns it takes"),
            ("changes.pkl", "a FunctionTransformer, which has no predict"),
            ("dict.pkl", "a dict, which has no predict"),
            ("cut.pkl", "it is damaged, or cut short"),
            ("none.pkl", "no such file"),
        ],
    )
    def test_what_is_none(self, files: Path, name: str, words: str) -> None:
        """It is a sentence, without a path of this machine."""
        code, said = inspect(SKLEARN, files / name)

        assert (1, ["error"]) == (code, list(said))
        assert words in said["error"]
        assert str(files) not in said["error"]

    def test_a_claim(self, tmp_path: Path) -> None:
        """A pickle that says that it has two gigabytes, and has not, takes no such memory."""
        file = tmp_path / "model.pkl"
        file.write_bytes(b"\x80\x04\x8e" + (2**31).to_bytes(8, "little") + bytes(3_000_000))
        code, said = inspect(SKLEARN, file)

        assert (1, ["error"]) == (code, list(said))
        assert "damaged" in said["error"]

    def test_an_example_that_does_not_fit(self, files: Path) -> None:
        """It is refused with what the estimator says."""
        code, said = inspect(SKLEARN, files / "net.pkl", '{"instances": [[1, 2]]}')

        assert (1, ["error"]) == (code, list(said))
        assert "4 features" in said["error"]

    def test_what_it_prints(self, tmp_path: Path) -> None:
        """What a file has printed while it is loaded is no part of the answer."""
        file = tmp_path / "model.pkl"
        file.write_bytes(b"\x80\x04cposix\nsystem\n\x8c\x07echo {}\x85R.")
        code, said = inspect(SKLEARN, file)

        assert (1, ["error"]) == (code, list(said))
        assert "a int, which has no predict" in said["error"]

    def test_both_protocols(self, serve: Serve, files: Path, tmp_path: Path) -> None:
        """They answer as for an ONNX model, and refuse what does not fit."""
        _, said = inspect(SKLEARN, files / "net.pkl")
        server = serve(SKLEARN, beside(said, files / "net.pkl", tmp_path / "net"))

        assert {"predictions": [[10, -2], [4, 1]]} == server.v1(ROWS).json()
        assert [10, -2] == server.v2(X).json()["outputs"][0]["data"]
        assert 400 == server.v1({"instances": [[1, 2]]}).status_code
        assert 400 == server.v2({**X, "datatype": "INT64"}).status_code

    def test_several_answers(self, serve: Serve, files: Path, tmp_path: Path) -> None:
        """Labels are text, and probabilities add up to one; its workers are as many as it may."""
        server = serve(SKLEARN, named(files / "forest.joblib", tmp_path))
        (row,) = server.v1({"instances": [[0.9, 0, 0, 0]]}).json()["predictions"]

        assert "yes" == row["predict"]
        assert 1 == pytest.approx(sum(row["predict_proba"]))


@torch
class TestModules:
    """PyTorch."""

    def test_a_whole_module(self, serve: Serve, torch_files: Path, tmp_path: Path) -> None:
        """It takes what its example has, and answers as it did."""
        code, said = inspect(TORCH, torch_files / "whole.pth", EXAMPLE)
        assert 0 == code, said
        server = serve(TORCH, beside(said, torch_files / "whole.pth", tmp_path / "whole"))

        assert {"predictions": [[10, -2], [4, 1]]} == server.v1(ROWS).json()
        assert [("input", [None, 4])] == [(each["name"], each["shape"]) for each in said["inputs"]]

    @pytest.mark.parametrize(
        ("name", "example", "words"),
        [
            ("whole.pth", "", "with an example"),
            ("own.pth", EXAMPLE, "it needs Own of the notebook or program that made it"),
            ("other.pth", EXAMPLE, "a SGD, which is no torch.nn.Module"),
            ("weights.pth", EXAMPLE, "a OrderedDict, which is no torch.nn.Module"),
        ],
    )
    def test_what_is_none(self, torch_files: Path, name: str, example: str, words: str) -> None:
        """It is a sentence."""
        code, said = inspect(TORCH, torch_files / name, example)

        assert (1, ["error"]) == (code, list(said))
        assert words in said["error"]


def test_an_image_without_scikit_learn(tmp_path: Path) -> None:
    """It says which version the estimator was made with; the file is not loaded."""
    mark = tmp_path / "ran"
    code = f"__import__('os').mkdir({str(mark)!r})".encode()
    noted = b"\x8c\x10_sklearn_version\x94\x8c\x051.9.1\x94"
    file = tmp_path / "model.pkl"
    file.write_bytes(
        b"\x80\x04cbuiltins\neval\nX"
        + len(code).to_bytes(4, "little")
        + code
        + b"\x85R0"
        + noted
        + b"."
    )
    status, said = inspect(ONNX, file)

    assert (1, ["error"]) == (status, list(said))
    assert "made with scikit-learn 1.9.1, and this image has no " in said["error"]
    assert not mark.exists()
