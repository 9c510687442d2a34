"""Which local modules travel with a piece of code."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from dllab_hub.errors import InvalidRequest, TooLarge
from dllab_hub.modules import extra_files, local_modules, syntax_error
from dllab_hub.specs import MAX_CODE_BYTES, Code


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A working directory as people have them."""
    tree = {
        "helpers.py": "import data.loader",
        "unused.py": "",
        "random.py": "boom = 1",
        "torch/notes.txt": "no module",
        "data/loader.py": "X = 1",
        "net/__init__.py": "from .blocks import Block",
        "net/blocks.py": "from . import norm\nclass Block: pass",
        "net/norm.py": "",
        "net/heads/__init__.py": "",
        "net/heads/linear.py": "from ..blocks import Block",
        "star/__init__.py": "__all__ = ['one']",
        "star/one.py": "",
        "loop_a.py": "import loop_b",
        "loop_b.py": "import loop_a",
        "train.py": "",
        "dllab_hub/__init__.py": "",
        ".venv/lib/python3/site-packages/numpy/__init__.py": "",
    }
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os, sys, torch, numpy", []),
        ("import helpers", ["data/loader.py", "helpers.py"]),
        ("def f():\n    from helpers import x", ["data/loader.py", "helpers.py"]),
        ("import net", ["net/__init__.py", "net/blocks.py", "net/norm.py"]),
        (
            "from net.heads import linear",
            [
                *("net/__init__.py", "net/blocks.py", "net/heads/__init__.py"),
                *("net/heads/linear.py", "net/norm.py"),
            ],
        ),
        ("from star import *", ["star/__init__.py", "star/one.py"]),
        ("from data import loader", ["data/loader.py"]),
        ("import loop_a", ["loop_a.py", "loop_b.py"]),
        ("import random", []),
        ("import train", []),
        ("import dllab_hub.runtime", []),
        ("from . import helpers", ["data/loader.py", "helpers.py"]),
        ("from .. import helpers", ["data/loader.py", "helpers.py"]),
        ("importlib.import_module('helpers')", []),
        ("import missing.module", []),
    ],
)
def test_what_travels(root: Path, source: str, expected: list[str]) -> None:
    """Modules below the working directory travel, with what they import, and nothing else."""
    assert expected == list(local_modules(source, root))


def test_keys_are_paths_the_spec_accepts(root: Path) -> None:
    """What is found fits `Code.files` as it is."""
    files = local_modules("import net.heads.linear, helpers", root)

    assert files == Code(source="x", files=files).files
    assert files["data/loader.py"] == "X = 1"


def test_a_link_to_something_installed_stays(root: Path) -> None:
    """Installed packages never travel, not even through a link."""
    (root / "numpy").symlink_to(root / ".venv/lib/python3/site-packages/numpy")

    assert local_modules("import numpy", root) == {}


def test_a_broken_module_is_named_with_its_line(root: Path) -> None:
    """A syntax error in an imported module is found before anything starts."""
    (root / "helpers.py").write_text("x = 1\ndef f(:\n")

    with pytest.raises(InvalidRequest, match=r"syntax error in helpers.py, line 2") as said:
        local_modules("import helpers", root)
    assert said.value.line == 2


@pytest.mark.parametrize("content", [b"# caf\xe9", b"\xff\xfe\x00"])
def test_a_module_that_is_not_text(root: Path, content: bytes) -> None:
    """Bytes that are not UTF-8 are refused with the file's name."""
    (root / "helpers.py").write_bytes(content)

    with pytest.raises(InvalidRequest, match=r"helpers\.py is not UTF-8"):
        local_modules("import helpers", root)


def test_a_byte_order_mark_does_no_harm(root: Path) -> None:
    """A module saved by a Windows editor travels without its mark."""
    (root / "helpers.py").write_bytes(b"\xef\xbb\xbfx = 1")

    assert local_modules("import helpers", root) == {"helpers.py": "x = 1"}


def test_too_much_code(root: Path) -> None:
    """More than the limit is refused, naming the largest file and what to do."""
    for name in ("big", "bigger"):
        (root / f"{name}.py").write_text(f"x = '{'a' * (MAX_CODE_BYTES // 2)}'")

    with pytest.raises(TooLarge, match=r"larger than 4 MiB; the largest is bigg?e?r?\.py"):
        local_modules("import big, bigger", root)

    (root / "big.py").write_bytes(b"#" * (MAX_CODE_BYTES + 1))
    with pytest.raises(TooLarge, match=r"big\.py is larger than the 4 MiB"):
        local_modules("import big", root)


def test_files_named_by_hand(root: Path) -> None:
    """Paths and patterns both work, and are relative to the working directory."""
    (root / "conf").mkdir()
    (root / "conf/a.yaml").write_text("a: 1")
    (root / "conf/b.yaml").write_text("b: 1")

    assert extra_files(["conf/*.yaml"], root) == {"conf/a.yaml": "a: 1", "conf/b.yaml": "b: 1"}
    assert list(extra_files(["unused.py", "unused.py"], root)) == ["unused.py"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.csv", "nothing.csv does not exist"),
        ("net", r"net is a directory. Name its files: net/\*."),
        ("../secret", "outside the working directory"),
        ("/etc/passwd", "outside the working directory"),
        ("weights.bin", "not UTF-8"),
        (".", "names no file"),
        ("", "names no file"),
        ("data/**.yaml", "is no pattern"),
    ],
)
def test_a_file_that_cannot_travel(root: Path, name: str, message: str) -> None:
    """The refusal names the file and the way out."""
    (root / "weights.bin").write_bytes(b"\x80\x81")

    with pytest.raises(InvalidRequest, match=message):
        extra_files([name], root)


@pytest.mark.parametrize(
    ("source", "line"),
    [("x = 1\ny = (\n", 2), ("\nx = '\0'", 2), ("(" * 5000, 1), (textwrap.dedent("  x"), None)],
)
def test_syntax_errors(source: str, line: int | None) -> None:
    """Anything that Python cannot read is one `SyntaxError` with a line."""
    error = syntax_error(source, "train.py")

    assert line == (error.lineno if error else None)
