"""The magic about published models."""

from __future__ import annotations

from pathlib import Path

from notebooks import Notebook
from served import ONNX


def test_the_list(notebook: Notebook, tmp_path: Path) -> None:
    """Versions with their size, newest first; of one model, or of all; none is said in words."""
    assert "no models yet" == notebook.run("%models")
    (tmp_path / "net.onnx").write_bytes(ONNX)
    for words in ("net.onnx", "net.onnx", "net.onnx --name other"):
        notebook.run(f"%deploy {words}")
    head, *lines = notebook.run("%models").splitlines()
    assert ["MODEL", "FORMAT", "SIZE", "AGE", "FROM", "METRICS"] == head.split()
    assert ["net:2", "net:1", "other:1"] == [line.split()[0] for line in lines]
    assert ["other:1", "onnx", "10", "B"] == notebook.run("%models other").split("\n")[1].split()[
        :4
    ]

    assert "there is no such model." in notebook.run("%models nothing")
    assert not notebook.ok
    assert "usage" in notebook.run("%models --help").lower()
