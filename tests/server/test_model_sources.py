"""Where a published model may come from, what is noted of it, and how it is downloaded."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fsspec
import pytest
from served import ONNX, Host

from dllab_hub.backends.calls import Download
from dllab_hub.errors import NotFound
from dllab_hub.server import taking
from dllab_hub.specs import ModelVersion
from dllab_hub.specs.model import ModelFacts

EXAMPLE = {"instances": [[1, 2]]}


class Kept:
    """What was handed on to be published.

    Attributes:
        data: Of the file.
        facts: What was said of it.
    """

    data = b""
    facts: ModelFacts | None = None

    async def publish(self, owner: str, model: str, file: Path, facts: ModelFacts) -> ModelVersion:
        self.data, self.facts = file.read_bytes(), facts
        return ModelVersion(
            model=model,
            version=1,
            inputs=(),
            outputs=(),
            size=len(self.data),
            sha256="",
            created=time.time(),
        )

    def names(self) -> list[str]:
        """Of a directory that came as an archive."""
        with tarfile.open(fileobj=io.BytesIO(self.data)) as archive:
            return archive.getnames()


@pytest.fixture
def kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Notes what the host's backend would publish."""
    kept = Kept()
    monkeypatch.setattr(host.backend.serving, "_publish_about", kept.publish)
    return kept


@pytest.fixture
def post(host: Host, a_name: str):
    """Asks for a publication in JSON."""
    return lambda **wish: host.ask("POST", f"models/{a_name}/versions", json=wish)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a file, and with a SavedModel."""
    (tmp_path / "net.onnx").write_bytes(ONNX)
    saved = tmp_path / "exported"
    (saved / "variables").mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph")
    (saved / "variables" / "variables.index").write_bytes(b"index")
    return tmp_path


@pytest.fixture
def a_volume(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a volume that is that directory."""
    known = {"data": {"path": str(folder)}}
    monkeypatch.setenv("DLLAB_VOLUMES", json.dumps(known))
    return "data"


@pytest.fixture
def a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a volume behind a URL with the same in it."""
    files = fsspec.filesystem("memory")
    files.put(str(folder), "/bucket", recursive=True)
    monkeypatch.setenv("DLLAB_VOLUMES", json.dumps({"bucket": {"url": "memory://bucket"}}))
    yield "bucket"
    files.rm("/bucket", recursive=True)


@pytest.fixture
def run(host: Host, a_job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a job's run on this machine."""
    run = tmp_path / "run"
    for name in ("workspace", "checkpoints"):
        (run / name).mkdir(parents=True)
    found = host.backend.get

    async def get(owner: str, id: str) -> Any:
        job = await found(owner, id)
        return job.model_copy(update={"workspace": str(run / "workspace")})

    monkeypatch.setattr(host.backend, "get", get)
    return run


def refused(answer, status: int = 400, field: str = "") -> str:
    """The sentence of an error of ours."""
    assert status == answer.status_code, answer.text
    error = answer.json()["error"]
    assert not field or field == error["field"]
    return str(error["message"])


def test_facts_travel_beside_a_file(host: Host, kept: Kept, publish, a_name: str) -> None:
    """What is said in the query of a file that is the body is handed on."""
    said = {"metrics": '{"accuracy": 0.5}', "example": json.dumps(EXAMPLE), "source": "notebook"}
    answer = publish(host, a_name, params=said)

    assert (201, ONNX) == (answer.status_code, kept.data)
    assert kept.facts is not None
    assert ({"accuracy": 0.5}, "notebook") == (
        kept.facts.metrics,
        kept.facts.source and kept.facts.source.kind,
    )
    assert EXAMPLE == json.loads(kept.facts.example)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"metrics": "{"}, "metrics"),
        ({"metrics": "[1]"}, "metrics"),
        ({"metrics": '{"a": "high"}'}, "metrics.a"),
        ({"metrics": '{"a": NaN}'}, "metrics"),
        ({"metrics": json.dumps({str(n): n for n in range(51)})}, "metrics"),
        ({"source": "moon"}, "source"),
        ({"source": '{"kind": "moon"}'}, "source.kind"),
        ({"sauce": "file"}, "sauce"),
    ],
)
def test_wrong_facts(host: Host, publish, a_name: str, said: dict, field: str) -> None:
    """They are refused with the field, and nothing is kept."""
    refused(publish(host, a_name, params=said), 400, field)
    refused(host.ask("GET", f"models/{a_name}/versions"), 404)


def test_a_file_of_a_volume(kept: Kept, post, a_volume: str) -> None:
    """It is read below the volume's top, and the record says where it was."""
    answer = post(volume=a_volume, path="net.onnx", metrics={"loss": 2}, example=EXAMPLE)

    assert (201, ONNX) == (answer.status_code, kept.data)
    assert kept.facts is not None
    source = kept.facts.source
    assert source is not None
    assert ("volume", "data", "net.onnx") == (source.kind, source.volume, source.path)
    assert ({"loss": 2.0}, EXAMPLE) == (kept.facts.metrics, json.loads(kept.facts.example))


def test_a_directory_of_a_volume(kept: Kept, post, a_volume: str) -> None:
    """A SavedModel comes as an archive of its files."""
    assert 201 == post(volume=a_volume, path="exported").status_code
    assert ["saved_model.pb", "variables/variables.index"] == sorted(kept.names())


def test_a_bucket(kept: Kept, post, a_bucket: str) -> None:
    """Object storage is read through fsspec: a file, and a directory."""
    assert 201 == post(volume=a_bucket, path="net.onnx").status_code
    assert ONNX == kept.data
    assert 201 == post(volume=a_bucket, path="exported").status_code
    assert ["saved_model.pb", "variables/variables.index"] == sorted(kept.names())


@pytest.mark.parametrize("path", ["../x", "none.onnx", "/etc/passwd", "a\0b", "exported/.."])
@pytest.mark.parametrize("place", ["a_volume", "a_bucket"])
def test_other_paths_of_volumes(
    request: pytest.FixtureRequest, post, place: str, path: str
) -> None:
    """What lies elsewhere, or nowhere, is refused."""
    message = refused(post(volume=request.getfixturevalue(place), path=path), 400, "path")

    assert "root:" not in message


@pytest.mark.parametrize("path", ["/", "//"])
@pytest.mark.parametrize("place", ["a_volume", "a_bucket"])
def test_all_of_a_volume(
    request: pytest.FixtureRequest, kept: Kept, post, place: str, path: str
) -> None:
    """Its top is no model: it is refused before anything is read."""
    refused(post(volume=request.getfixturevalue(place), path=path), 400, "path")

    assert kept.facts is None


def test_a_directory_with_too_many_files(
    kept: Kept, post, a_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a bucket of millions is refused at the limit, and not when all are listed."""
    files, listed = fsspec.filesystem("memory"), []
    for number in range(40):
        files.pipe(f"/bucket/many/{number}/file", b"x")
    ls = type(files).ls

    def counted(self: Any, path: str, *args: Any, **options: Any) -> Any:
        listed.append(path)
        return ls(self, path, *args, **options)

    monkeypatch.setattr(taking, "_MAX_FILES", 45)
    monkeypatch.setattr(type(files), "ls", counted)
    message = refused(post(volume=a_bucket, path="many"), 400, "path")

    assert "more than 45 files" in message
    assert len(listed) < 20
    assert kept.facts is None


def test_a_volume_that_is_not_there(post, a_volume: str) -> None:
    """The answer names those there are."""
    refused(post(volume="other", path="net.onnx"), 400)


def test_files_of_a_job(kept: Kept, post, run: Path, a_job: str) -> None:
    """Those of its workspace and of its checkpoints are read, by both ways to name them."""
    (run / "workspace" / "net.onnx").write_bytes(ONNX)
    (run / "checkpoints" / "last.onnx").write_bytes(ONNX + b"2")
    for path, data in (
        ("net.onnx", ONNX),
        ("workspace/net.onnx", ONNX),
        ("checkpoints/last.onnx", ONNX + b"2"),
    ):
        assert 201 == post(job=a_job, path=path, step=7).status_code
        assert data == kept.data
    assert kept.facts is not None
    source = kept.facts.source
    assert source is not None
    assert ("job", a_job, 7) == (source.kind, source.job, source.step)


@pytest.mark.parametrize("path", ["link.onnx", "away/passwd", "pipe", "../x", "none", "folder"])
def test_a_job_leads_nowhere_else(post, run: Path, a_job: str, path: str) -> None:
    """Whoever runs a job may plant links in its directory: none is followed."""
    workspace = run / "workspace"
    (workspace / "link.onnx").symlink_to("/etc/passwd")
    (workspace / "away").symlink_to("/etc")
    os.mkfifo(workspace / "pipe")
    (workspace / "folder").mkdir()
    (workspace / "folder" / "saved_model.pb").symlink_to("/etc/passwd")

    message = refused(post(job=a_job, path=path), 400, "path")
    assert "root:" not in message


def test_somebody_elses_job(post) -> None:
    """It is answered like one that does not exist."""
    refused(post(job="nosuch-bcdfghj", path="net.onnx"), 404)


def test_one_place_only(post, a_job: str) -> None:
    """A file lies on a volume or with a job."""
    refused(post(job=a_job, volume="data", path="x"), 400, "volume")


class TestDownloads:
    """The file of a version, as the backend gives it out."""

    @pytest.fixture
    def asked(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """What the backend was asked for; it has version 3 of everything."""
        asked: list[Any] = []

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield bytes(2**20)

        async def download(owner: str, model: str, version: int, packed: bool) -> Download:
            asked.append((owner, model, version, packed))
            if version != 3:
                raise NotFound("there is no such version.")
            name, size = (f"{model}-3.zip", None) if packed else (f"{model}-3.onnx", 5 * 2**20)
            return Download(name, size, pieces())

        monkeypatch.setattr(host.backend.serving, "_download", download)
        return asked

    def test_a_file(self, host: Host, asked: list[Any], a_name: str) -> None:
        """It comes whole, with its size and a name of its own."""
        answer = host.ask("GET", f"models/{a_name}/versions/3/file")

        assert (200, bytes(5 * 2**20)) == (answer.status_code, answer.content)
        assert str(5 * 2**20) == answer.headers["content-length"]
        assert f'attachment; filename="{a_name}-3.onnx"' == answer.headers["content-disposition"]
        assert "application/octet-stream" == answer.headers["content-type"]
        assert [("ada", a_name, 3, False)] == asked

    def test_an_archive(self, host: Host, asked: list[Any], a_name: str) -> None:
        """For devices it is a zip archive, whose size shows at its end."""
        answer = host.ask("GET", f"models/{a_name}/versions/3/export")

        assert (200, 5 * 2**20) == (answer.status_code, len(answer.content))
        assert "application/zip" == answer.headers["content-type"]
        assert [("ada", a_name, 3, True)] == asked

    @pytest.mark.parametrize("version", ["4", "x", "-1", "9" * 30, quote("٣")])
    @pytest.mark.parametrize("what", ["file", "export"])
    def test_what_is_not_there(
        self, host: Host, asked: list[Any], a_name: str, version: str, what: str
    ) -> None:
        """No version, no file."""
        refused(host.ask("GET", f"models/{a_name}/versions/{version}/{what}"), 404)
