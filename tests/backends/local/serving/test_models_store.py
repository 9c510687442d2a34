"""The store of models: versions in order, their records, and how they leave it."""

from __future__ import annotations

import io
import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.calls import Download
from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.exporting import download
from dllab_hub.backends.local.serving.models import Models
from dllab_hub.errors import Conflict, NotFound
from dllab_hub.specs import ModelSource, ModelVersion
from dllab_hub.specs.model import ModelFacts

ME = Account("", os.geteuid(), os.getegid(), "")
ABOUT = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [None, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [None, 2]}],
    "example": '{"instances": [[1, 2, 3, 4]]}',
}
SCRIPT = {"net/data.pkl": b"", "net/constants.pkl": b"", "net/code/a.py": b""}
SAVED = {"saved_model.pb": b"graph", "variables/a": b"b"}


def archive(files: dict[str, bytes]) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return box.getvalue()


async def taken(download: Download) -> bytes:
    return b"".join([piece async for piece in download.pieces])


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


@pytest.fixture
def onnx(onnx_models: Path) -> bytes:
    return (onnx_models / "net.onnx").read_bytes()


@pytest.fixture
def publish(models: Models, tmp_path: Path):
    """Keeps a file with this content."""

    def publish(data: bytes, facts: ModelFacts | None = None, name: str = "") -> ModelVersion:
        file = tmp_path / f"upload{name}"
        file.write_bytes(data)
        return models.keep("ada", "net", models.draft("ada", file, ME), ABOUT, facts)

    return publish


def test_two_publishers_never_share_a_version(models: Models, publish, onnx: bytes) -> None:
    """Eight at once get eight versions in a row, each with its own file."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: publish(onnx + b"#" * n, name=str(n)), range(8)))

    assert list(range(1, 9)) == sorted(each.version for each in made)
    for each in made:
        assert each.size == models.file("ada", "net", each.version).stat().st_size
    assert 8 == len({each.sha256 for each in models.versions("ada", "net")})


def test_the_record(models: Models, publish, onnx: bytes, tmp_path: Path) -> None:
    """What was said of a file is in its record, and is there again for the next service."""
    source = ModelSource(kind="job", job="j-1", path="checkpoints/net.onnx", step=400)
    made = publish(onnx, ModelFacts(source=source, metrics={"accuracy": 0.97}))
    again = Models(tmp_path / "models").versions("ada", "net")

    assert (made,) == again
    assert (source, {"accuracy": 0.97}, "ada", "onnx") == (
        made.source,
        made.metrics,
        made.publisher,
        made.format,
    )


def test_a_record_of_before(models: Models, publish, onnx: bytes, tmp_path: Path) -> None:
    """One that does not say the format yet is ONNX."""
    publish(onnx)
    record = tmp_path / "models" / "ada" / "net" / "1" / "model.json"
    known = json.loads(record.read_text())
    for key in ("format", "publisher", "source", "metrics"):
        del known[key]
    record.write_text(json.dumps(known))
    again = Models(tmp_path / "models")

    assert "onnx" == again.versions("ada", "net")[0].format
    assert "model.onnx" == again.file("ada", "net", 1).name


@pytest.mark.parametrize(
    ("files", "name", "format"),
    [
        ({"net/archive_format": b"pt2"}, "model.pt2", "torch-export"),
        (SCRIPT, "model.pt", "torchscript"),
        (SAVED, "saved_model", "savedmodel"),
    ],
)
def test_names_in_the_layout(
    models: Models, publish, files: dict[str, bytes], name: str, format: str
) -> None:
    """Each format has its own name below ``<model>/<version>/``; the model server goes by it."""
    made = publish(archive(files))
    file = models.file("ada", "net", 1)

    assert (format, format) == (made.format, models.format("ada", "net", 1))
    assert (f"net/1/{name}", True) == ("/".join(file.parts[-3:]), file.exists())


def test_what_a_script_takes_is_beside_it(models: Models, publish) -> None:
    """Its own file does not say so; other formats need no such file."""
    publish(archive(SCRIPT))
    publish(archive(SAVED))
    noted = models.file("ada", "net", 1).with_name("signature.json")

    assert {key: ABOUT[key] for key in ("inputs", "outputs")} == json.loads(noted.read_text())
    assert not models.file("ada", "net", 2).with_name("signature.json").exists()


def test_what_was_cut_short_is_cleared_away(models: Models, tmp_path: Path) -> None:
    """A half-published SavedModel goes, read-only as it is."""
    file = tmp_path / "upload"
    file.write_bytes(archive(SAVED))
    draft = models.draft("ada", file, ME)
    models.open()

    assert not draft.folder.exists()


async def test_a_file_leaves_as_it_came(models: Models, publish, onnx: bytes) -> None:
    """Its size is known before, and it is called after its model."""
    publish(onnx)
    found = download(models, "ada", "net", 1, packed=False)

    assert ("net-1.onnx", len(onnx)) == (found.name, found.size)
    assert onnx == await taken(found)


async def test_a_directory_leaves_as_an_archive(models: Models, publish) -> None:
    """It is one that can be published again."""
    first = publish(archive(SAVED))
    data = await taken(download(models, "ada", "net", 1, packed=False))

    assert first.sha256 == publish(data).sha256


async def test_an_archive_for_devices(models: Models, publish, onnx: bytes) -> None:
    """The network comes with a manifest that says all there is to know of it."""
    made = publish(onnx)
    data = await taken(download(models, "ada", "net", 1, packed=True))
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        assert onnx == found.read("model.onnx")
        manifest = json.loads(found.read("manifest.json"))

    expected: dict[str, Any] = {**ABOUT, "name": "net", "version": 1, "file": "model.onnx"}
    expected |= {"sha256": made.sha256, "size": len(onnx), "created": made.created}
    assert {**expected, "opset": 17, "opsets": {"": 17}} == manifest


def test_what_does_not_leave(models: Models, publish) -> None:
    """Devices get ONNX only; what is not there is not there, and another person's is neither."""
    publish(archive(SAVED))
    with pytest.raises(Conflict, match="savedmodel"):
        download(models, "ada", "net", 1, packed=True)
    for owner, name, version in (("ada", "net", 2), ("ada", "no", 1), ("grace", "net", 1)):
        with pytest.raises(NotFound):
            download(models, owner, name, version, packed=False)
