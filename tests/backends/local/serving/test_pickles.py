"""Pickles: what is recognised as one, who may publish one, and that the service never loads one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.models import Models
from dllab_hub.backends.local.serving.pickles import Pickles, warning_of
from dllab_hub.backends.local.serving.recognition import recognise
from dllab_hub.catalog import load_catalog
from dllab_hub.errors import DLLabError, InvalidRequest
from dllab_hub.state import StateDir

ME = Account("", os.geteuid(), os.getegid(), "")
ABOUT: dict[str, Any] = {"inputs": [], "outputs": [], "example": ""}
PACKERS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=9),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


class Evil:
    """Makes a directory when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


class Thing:
    """An object as any."""

    def __init__(self) -> None:
        self.numbers = list(range(100))


def saved(value: object, protocol: int = 2) -> bytes:
    """As ``torch.save`` writes it."""
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps(value, protocol))
        archive.writestr("net/data/0", bytes(64))
        archive.writestr("net/version", b"3\n")
    return box.getvalue()


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    state = StateDir(tmp_path / "state", tmp_path / "envs")
    state.root.mkdir()
    return state


@pytest.fixture
def say(state: StateDir):
    """Writes the administrator's file."""

    def say(text: str) -> None:
        (state.root / "catalog.toml").write_text(text)

    return say


@pytest.fixture
def models(state: StateDir) -> Models:
    return Models(state.models, Pickles(state))


@pytest.fixture
def draft(models: Models, tmp_path: Path):
    """Makes a draft of a file with this content."""

    def draft(data: bytes):
        file = tmp_path / "upload"
        file.write_bytes(data)
        return models.draft("ada", file, ME)

    return draft


def kind(tmp_path: Path, data: bytes) -> str:
    file = tmp_path / "net.onnx"
    file.write_bytes(data)
    return recognise(file).format


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle(tmp_path: Path, protocol: int) -> None:
    """It is one by its first operations, whatever it holds and however it was compressed."""
    data = pickle.dumps([Thing(), "x" * 3_000_000, b"y" * 300], protocol)

    assert "pickle" == kind(tmp_path, data)
    for pack in PACKERS.values():
        assert "pickle" == kind(tmp_path, pack(data))


def test_bytes_of_arrays_in_between(tmp_path: Path) -> None:
    """joblib puts the bytes of arrays between the operations: they are none, and do no harm."""
    wrapper = b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b" + b"\xff\xfe\xfd" * 40

    assert "pickle" == kind(tmp_path, wrapper)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_whole_module(tmp_path: Path, protocol: int) -> None:
    """What ``torch.save`` was given is one object: then it is a module, and no set of weights."""
    assert "torch-pickle" == kind(tmp_path, saved(Thing(), protocol))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (saved(OrderedDict(weight=1)), "of weights (a state_dict), without the network"),
        (saved({"epoch": 3}), "not of a whole module"),
        (saved(print), "not of a whole module"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "an old torch.save"),
        (pickle.dumps(Thing())[:-40], "cut short"),
        (pickle.dumps(Thing(), 2)[:-1], "cut short"),
        (b"\x80\x05\x95" + struct.pack("<Q", 2**60) + b"}.", "cut short"),
        (b"\x80\x05\x95" + struct.pack("<Q", 2**31) + b"}" * 5000 + b".", "cut short"),
        (b"\x80\x05\x8e" + struct.pack("<Q", 2**31) + b"abc", "cut short"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"abc", "as none can"),
        (b"\x80\x04\xff\xff\xff", "as none can"),
        (b"\x80\x04S'\\q'\n.", "as none can"),
        (zlib.compress(b"no pickle"), "is no pickle"),
        (gzip.compress(b"no pickle"), "is compressed"),
        (gzip.compress(pickle.dumps(Thing()))[:20], "is compressed"),
        (b"\x04\x22\x4d\x18" + bytes(40), "LZ4"),
    ],
    # Archives have the time in them, and each process that runs tests must call them the same.
    ids=map(str, count(1)),
)
def test_what_is_no_model_whatever_is_allowed(
    say, draft, models: Models, data: bytes, words: str
) -> None:
    """Weights alone, old files and damaged ones are refused with a sentence, and nothing stays."""
    say("[serving]\npickles = true\n")
    with pytest.raises(InvalidRequest) as caught:
        draft(data)

    assert words in caught.value.message
    assert "model" == caught.value.field
    assert () == models.versions("ada", "upload")


@pytest.mark.parametrize("allowed", [False, True])
def test_nothing_is_loaded(say, draft, tmp_path: Path, allowed: bool) -> None:
    """The service itself runs nothing of a pickle: refused or taken, its code has not run."""
    say(f"[serving]\npickles = {str(allowed).lower()}\n")
    mark = tmp_path / "ran"
    evil = pickle.dumps(Evil(mark))
    files = [evil, pickle.dumps(Evil(mark), 2), *(pack(evil) for pack in PACKERS.values())]
    taken = 0
    for data in files:
        try:
            taken += draft(data).format == "pickle"
        except InvalidRequest as exc:
            assert "is a pickle" in exc.message
    for value in (Evil(mark), [Evil(mark)]):
        with pytest.raises(InvalidRequest):
            draft(saved(value))

    assert (len(files) if allowed else 0) == taken
    assert not mark.exists()


def test_what_a_refusal_says(draft) -> None:
    """What a pickle does, what to do instead, and who could allow it."""
    for data in (pickle.dumps(Thing()), saved(Thing())):
        with pytest.raises(InvalidRequest) as caught:
            draft(data)

        assert "whatever code its maker has put into it" in caught.value.message
        for word in ("ONNX", "%deploy", "administrator", "pickles = true"):
            assert word in caught.value.hint


def test_what_is_kept_of_one(say, draft, models: Models, onnx_models: Path) -> None:
    """A pickle's record has a warning, and what it takes lies beside it; others have neither."""
    say("[serving]\npickles = true\n")
    for data, format, name in (
        (pickle.dumps(Thing()), "pickle", "model.pkl"),
        (saved(Thing()), "torch-pickle", "model.pth"),
    ):
        made = models.keep("ada", format, draft(data), ABOUT)
        file = models.file("ada", format, 1)

        assert (format, name) == (made.format, file.name)
        assert "runs in each replica" in made.warning
        assert made.warning == models.warning("ada", format, 1) == warning_of(made.format)
        assert file.with_name("signature.json").exists()
    other = models.keep("ada", "net", draft((onnx_models / "net.onnx").read_bytes()), ABOUT)

    assert "" == other.warning == models.warning("ada", "net", 1)


def test_it_is_forbidden_again(say, draft, models: Models) -> None:
    """What was published stays, and may not be deployed any more."""
    say("[serving]\npickles = true\n")
    models.keep("ada", "net", draft(pickle.dumps(Thing())), ABOUT)
    assert "pickle" == models.find("ada", "net", None).format
    say("")
    with pytest.raises(InvalidRequest, match="is a pickle") as caught:
        models.find("ada", "net", 1)

    assert "version" == caught.value.field
    assert 1 == len(models.versions("ada", "net"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[serving]\npickles = 1\n", "serving.pickles"),
        ('[serving]\npickles = "true"\n', "serving.pickles"),
        ("[serving]\npickle = true\n", "serving.pickle"),
        ("serving = true\n", "serving"),
        ("[serving\n", "catalog.toml"),
    ],
)
def test_a_mistake_of_the_administrator(
    say, draft, onnx_models: Path, text: str, words: str
) -> None:
    """It is named, and allows nothing; other models are published as ever."""
    say(text)
    with pytest.raises(DLLabError) as caught:
        draft(pickle.dumps(Thing()))

    assert words in caught.value.message
    assert not isinstance(caught.value, InvalidRequest)
    assert "onnx" == draft((onnx_models / "net.onnx").read_bytes()).format


def test_the_catalog_knows_the_table(say, state: StateDir) -> None:
    """The hub starts with it."""
    say("[serving]\npickles = true\n")

    assert "here" == load_catalog(state, here=True).default_image
