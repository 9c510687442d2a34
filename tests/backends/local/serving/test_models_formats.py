"""What a published file is recognised as, and what is refused without looking into it."""

from __future__ import annotations

import io
import os
import pickle
import stat
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving import recognition, unpacking
from dllab_hub.backends.local.serving.models import Draft, Models
from dllab_hub.backends.local.serving.recognition import onnx_head, recognise
from dllab_hub.errors import InvalidRequest

ME = Account("", os.geteuid(), os.getegid(), "")
SAVED = {"saved_model.pb": b"graph", "variables/variables.index": b"index" * 100}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return box.getvalue()


def tarred(files: dict[str, bytes], **other: bytes) -> bytes:
    """A tar archive; ``other`` are members by name that are of a type."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, kind in other.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return box.getvalue()


def torch(*names: str) -> bytes:
    return zipped({f"net/{name}": b"" for name in names})


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path / "models")


@pytest.fixture
def draft(models: Models, tmp_path: Path):
    """Makes a draft of a file with this content."""

    def draft(data: bytes) -> Draft:
        file = tmp_path / "upload"
        file.write_bytes(data)
        return models.draft("ada", file, ME)

    return draft


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (torch("archive_format", "models/model.json", "data/weights/w"), "torch-export"),
        (zipped({"serialized_exported_program.json": b"{}", "version": b"6"}), "torch-export"),
        (torch("data.pkl", "constants.pkl", "code/__torch__.py"), "torchscript"),
        (zipped(SAVED), "savedmodel"),
        (tarred(SAVED), "savedmodel"),
        (tarred({f"exported/1/{name}": data for name, data in SAVED.items()}), "savedmodel"),
    ],
)
def test_formats(tmp_path: Path, data: bytes, format: str) -> None:
    """The content says which one it is; the name says nothing."""
    file = tmp_path / "net.onnx"
    file.write_bytes(data)

    assert format == recognise(file).format


def test_onnx(onnx_models: Path, tmp_path: Path) -> None:
    """An ONNX file is one by its fields, which tell its operators too."""
    file = tmp_path / "net.pt"
    file.write_bytes((onnx_models / "net.onnx").read_bytes())
    with file.open("rb") as opened:
        head = onnx_head(opened)

    assert "onnx" == recognise(file).format
    assert ({"": 17}, True) == (head.opsets, head.has_graph)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps({"a": 1}), "is a pickle"),
        (pickle.dumps({"a": 1}, protocol=2), "is a pickle"),
        (torch("data.pkl", "data/0", "version"), "PyTorch checkpoint"),
        (b"\x78\x9c" + bytes(100), "joblib"),
        (b"\x1f\x8b" + bytes(100), "is compressed"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (zipped({"config.json": b"", "model.weights.h5": b""}), ".keras"),
        (zipped({"arr_0.npy": b""}), "NumPy"),
        (b"\x93NUMPY" + bytes(100), "NumPy"),
        (struct.pack("<Q", 60) + b'{"w":{"dtype":"F32","shape":[1]}}', "safetensors"),
        (zipped({"a.txt": b""}), "holds no model"),
        (tarred({"a.txt": b""}), "no SavedModel"),
        (b"<html>", "not an ONNX model"),
        (bytes(5000), "not an ONNX model"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
        (zipped(SAVED)[:-30], "damaged"),
    ],
)
def test_what_is_refused(models: Models, draft, tmp_path: Path, data: bytes, words: str) -> None:
    """It is said what the file is; nothing of it is unpickled, and nothing stays."""
    with pytest.raises(InvalidRequest, match="model") as caught:
        draft(data)

    assert words in caught.value.message
    assert "model" == caught.value.field
    assert [] == [path for path in (tmp_path / "models").rglob("*") if path.is_file()]


def test_a_pickle_is_not_looked_into(draft, tmp_path: Path) -> None:
    """A pickle that would run a program when it is read does not."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    for data in (
        pickle.dumps(Evil()),
        zipped({"x/data.pkl": pickle.dumps(Evil())}),
        zipped({"x/constants.pkl": pickle.dumps(Evil()), "x/data.pkl": pickle.dumps(Evil())}),
    ):
        with pytest.raises(InvalidRequest):
            draft(data)

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_directory(draft, make: Any) -> None:
    """A SavedModel becomes a directory that is read-only, whatever it lay in."""
    made = draft(make({f"a/1/{name}": data for name, data in SAVED.items()} | {"b.txt": b"x"}))
    files = {
        path.relative_to(made.file).as_posix(): path.read_bytes()
        for path in made.file.rglob("*")
        if path.is_file()
    }

    assert (SAVED, "saved_model") == (files, made.file.name)
    assert sum(map(len, SAVED.values())) == made.size
    assert {0o400} == {stat.S_IMODE((made.file / name).stat().st_mode) for name in SAVED}
    assert 0o500 == stat.S_IMODE(made.file.stat().st_mode)
    assert ["saved_model"] == os.listdir(made.folder)
    assert made.sha256 == draft(tarred(SAVED)).sha256  # Of what is in it, not of the archive.


def odd_zip() -> bytes:
    """A link in a zip archive."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("saved_model.pb", b"x")
        link = zipfile.ZipInfo("variables")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc")
    return box.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        zipped({**SAVED, "../out": b"x"}),
        zipped({**SAVED, "variables/../../../out": b"x"}),
        zipped({**SAVED, "a\\..\\out": b"x"}),
        zipped({**SAVED, "a//b": b"x"}),
        zipped({**SAVED, "/".join("a" * 30): b"x"}),
        tarred({**SAVED, "../out": b"x"}),
        tarred(SAVED, link=tarfile.SYMTYPE),
        tarred(SAVED, link=tarfile.LNKTYPE),
        tarred(SAVED, device=tarfile.CHRTYPE),
        tarred(SAVED, pipe=tarfile.FIFOTYPE),
        tarred({"a/saved_model.pb": b"", "b/saved_model.pb": b""}),
        odd_zip(),
    ],
)
def test_archives_that_lead_elsewhere(draft, tmp_path: Path, data: bytes) -> None:
    """Links, devices and paths out of the directory are refused, and nothing stays."""
    with pytest.raises(InvalidRequest):
        draft(data)

    assert [] == [path for path in (tmp_path / "models").rglob("*") if not path.is_dir()]
    assert not list(tmp_path.rglob("out"))


def test_a_file_that_is_there_twice(draft) -> None:
    """Two entries of one name are refused."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("variables"))
        archive.addfile(tarfile.TarInfo("saved_model.pb"))
    with pytest.raises(InvalidRequest, match="is in it twice"):
        draft(box.getvalue())


def test_a_bomb(draft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What grows to a hundred times its size stops before it fills the disk; nothing stays."""
    monkeypatch.setattr(unpacking, "_SMALL", 1024)
    data = zipped({"saved_model.pb": bytes(20_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InvalidRequest, match="too large"):
        draft(data)

    assert [] == [path for path in (tmp_path / "models").rglob("*") if path.is_file()]


@pytest.mark.parametrize("make", [zipped, tarred])
def test_too_many_files(draft, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a bound on their number."""
    for module in (unpacking, recognition):
        monkeypatch.setattr(module, "MAX_FILES", 50)
    with pytest.raises(InvalidRequest, match="more than 50 files"):
        draft(make({**SAVED, **{str(number): b"" for number in range(60)}}))


def test_a_header_of_a_megabyte(draft) -> None:
    """A tar archive that announces a very long name is not read into memory."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 3_000_000
    data = header.tobuf(tarfile.GNU_FORMAT) + b"a" * 3_000_000 + bytes(1024) + tarred(SAVED)
    with pytest.raises(InvalidRequest, match="too long"):
        draft(data)


def test_a_table_of_contents_that_is_too_long(draft, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python reads all of it at once: there is a bound, whatever the entry at its end says."""
    monkeypatch.setattr(recognition, "_MAX_TABLE", 100)
    with pytest.raises(InvalidRequest, match="too long a table"):
        draft(zipped({str(number): b"" for number in range(20)}))


def widened(data: bytes, said: int, length: int = 0) -> bytes:
    """A zip with the records of ZIP64; the short one says another length, which Python ignores."""
    short = bytearray(data[-22:])
    count, real, start = struct.unpack_from("<HLL", short, 10)
    at = len(data) - 22
    wide = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length or real, start
    )
    struct.pack_into("<L", short, 12, said)
    return data[:-22] + wide + struct.pack("<4sLQL", b"PK\6\7", 0, at, 1) + bytes(short)


class TestTablesOfWideZips:
    """Python goes by the record of ZIP64 wherever its locator stands: so does the bound."""

    @pytest.fixture
    def never(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The archive must not be opened."""

        def opened(*_: Any) -> None:
            raise AssertionError("the table was read")

        monkeypatch.setattr(zipfile, "ZipFile", opened)

    def test_one_that_is_sound(self, draft) -> None:
        """It is taken, whatever the short record says."""
        assert "savedmodel" == draft(widened(zipped(SAVED), 0)).format

    @pytest.mark.parametrize("said", [0, 46, 0xFFFFFFFF])
    def test_a_long_one(self, draft, request: pytest.FixtureRequest, said: int) -> None:
        """It is refused by its length, before it is read."""
        data = widened(zipped({f"{n:060}": b"" for n in range(45_000)}), said)
        request.getfixturevalue("never")
        with pytest.raises(InvalidRequest, match="too long a table"):
            draft(data)

    def test_many_entries(self, draft, request: pytest.FixtureRequest) -> None:
        """Short names are counted in the table itself, as the number at its end may lie."""
        data = bytearray(zipped({str(n): b"" for n in range(10_001)}))
        struct.pack_into("<2H", data, len(data) - 14, 1, 1)
        request.getfixturevalue("never")
        for each in (bytes(data), widened(bytes(data), 0)):
            with pytest.raises(InvalidRequest, match="more than 10000 files"):
                draft(each)

    @pytest.mark.parametrize("length", [2**63, 2**22])
    def test_a_length_that_lies(self, draft, request: pytest.FixtureRequest, length: int) -> None:
        """More than the file has is no table."""
        data = widened(zipped(SAVED), 0, length)
        request.getfixturevalue("never")
        with pytest.raises(InvalidRequest, match=r"too long a table|damaged"):
            draft(data)

    def test_a_record_elsewhere(self, draft, request: pytest.FixtureRequest) -> None:
        """Some versions of Python follow the locator, others do not: it must point there."""
        data = bytearray(widened(zipped(SAVED), 0))
        data[-34] ^= 1
        request.getfixturevalue("never")
        with pytest.raises(InvalidRequest, match="damaged"):
            draft(bytes(data))


def raw_tar(name: bytes) -> bytes:
    """A SavedModel beside a file with a name of any bytes."""
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("saved_model.pb"))
        archive.addfile(tarfile.TarInfo(name.decode("utf-8", "surrogateescape")))
    return box.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        raw_tar(b"assets/\xff\xfe"),
        raw_tar(("ä" * 200).encode()),
        zipped({**SAVED, "ä" * 200: b""}),
        zipped({**SAVED, "/".join(["a" * 250] * 18): b""}),
        *(
            make({**SAVED, **dict.fromkeys(names, b"x")})
            for make in (zipped, tarred)
            for names in (("a", "a/b"), ("a/b", "a"), ("a", "a/b/c"))
        ),
    ],
)
def test_names_that_the_disk_does_not_take(draft, tmp_path: Path, data: bytes) -> None:
    """No UTF-8, too long, or a file and a directory at once: it is refused, and nothing stays."""
    with pytest.raises(InvalidRequest) as caught:
        draft(data)

    assert "model" == caught.value.field
    assert caught.value.message.isprintable()
    assert [] == [path for path in (tmp_path / "models").rglob("*") if path.is_file()]
