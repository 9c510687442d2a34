"""Models of every format, from the file to an answer, each in the image that serves it."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from format_files import TENSORFLOW, TORCH, needs, write
from serving_place import ServingPlace, local_serving

from dllab_hub.errors import InvalidRequest, Unavailable
from dllab_hub.specs.model import ModelFacts

ROWS = [[1, 2, 3, 4], [1, 1, 1, 1]]
EXAMPLE = json.dumps({"instances": [[1.0, 2, 3, 4]]})


def interpreter(_: Any, format: str) -> Path:
    """Of the environments that there are here."""
    pythons = {
        "onnx": os.environ["DLLAB_TEST_SERVER"],
        "savedmodel": TENSORFLOW,
        "torch-export": TORCH,
        "torchscript": TORCH,
    }
    if not pythons[format]:
        raise Unavailable(f"no image that serves {format} is built.")
    return Path(pythons[format])


@pytest.fixture
async def place(a_state, onnx_models):
    """Serving on this machine, with each format's own Python."""
    async with local_serving(a_state, interpreter=interpreter) as serving:
        place = ServingPlace(serving, onnx_models)
        yield place
        await place.clear()


async def answers(place: ServingPlace, file: Path, folder: Path, **facts: Any) -> Any:
    """What a deployment of a copy of this file says to `ROWS`, and the record of its model."""
    copy = Path(shutil.copy(file, folder / "upload"))
    made = await place.serving.publish("ada", "digits", copy, ModelFacts(**facts))
    await place.deploy()
    await place.ready()
    reply = await place.ask(ROWS)
    assert 200 == reply.status, reply.body
    return made, json.loads(reply.body)["predictions"]


@needs("serving-torch")
@pytest.mark.parametrize("name", ["net.pt2", "net.pt", "bare.pt"])
async def test_torch(place, tmp_path, name):
    """Exported programs and TorchScript answer as the module did."""
    files = write(TORCH, tmp_path / "torch")
    made, found = await answers(place, files / name, tmp_path, example=EXAMPLE)

    assert [[10, -2], [4, 1]] == found
    assert "torch-export" == made.format if name.endswith("2") else "torchscript" == made.format
    assert [None, 4] == list(made.inputs[0].shape)
    assert [[1, 2, 3, 4]] == json.loads(made.example)["instances"]


@needs("serving-torch")
async def test_a_script_without_an_example(place, tmp_path):
    """It is refused with what to send, and nothing is kept."""
    files = write(TORCH, tmp_path / "torch")
    with pytest.raises(InvalidRequest, match="with an example"):
        await answers(place, files / "bare.pt", tmp_path)

    assert () == (await place.serving.models("ada")).models


@needs("serving-tensorflow")
async def test_tensorflow(place, tmp_path):
    """A SavedModel in an archive answers as the model did."""
    files = write(TENSORFLOW, tmp_path / "tensorflow")
    with tarfile.open(tmp_path / "net.tar", "w") as archive:
        archive.add(files / "net", "net")
    made, found = await answers(place, tmp_path / "net.tar", tmp_path, example=EXAMPLE)

    assert ([[10, -2], [4, 1]], "savedmodel") == (found, made.format)


async def test_an_image_that_is_not_built(a_state, onnx_models, tmp_path):
    """A file of a format that nothing here serves is refused, and nothing of it stays."""

    def only_onnx(_: Any, format: str) -> Path:
        if format != "onnx":
            raise Unavailable(f"no image that serves {format} is built.")
        return Path(os.environ["DLLAB_TEST_SERVER"])

    with tarfile.open(tmp_path / "net.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("saved_model.pb"))
    async with local_serving(a_state, interpreter=only_onnx) as serving:
        with pytest.raises(Unavailable, match="savedmodel"):
            await serving.publish("ada", "digits", tmp_path / "net.tar")
        await ServingPlace(serving, onnx_models).publish()

    assert {"model.onnx", "model.json"} == {
        path.name for path in a_state.models.rglob("*") if path.is_file()
    }
