"""Wishes from words, without a lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dllab_hub.specs import Catalog, Image
from dllab_hub.submission import (
    Program,
    Submission,
    Words,
    add_options,
    from_words,
    prepare,
    split_args,
    with_shared,
)

CATALOG = Catalog(
    images=tuple(
        Image(name=name, title=name, framework="python", version="3") for name in ("here", "other")
    ),
    default_image="here",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of somebody whose home is elsewhere, without a lab around."""
    for name in ("DLLAB_IMAGE", "DLLAB_LAB_ID", "DLLAB_OVERLAY", "DLLAB_VOLUMES"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def made(here: Path) -> Callable[..., Submission]:
    """Makes a submission of words as ``dllab submit`` does; of a cell's text if there is one."""

    def make(
        *words: str,
        cell: str | None = None,
        shared: tuple[tuple[str, str], ...] = (),
        most: int = 512,
    ) -> Submission:
        before, args = split_args(words)
        catalog = CATALOG.model_copy(update={"max_workspace_mb": most})
        parser = Words(prog="submit")
        parser.takes_args = True
        parser.add_argument("script", nargs="?")
        add_options(parser)
        options = parser.read(before)
        program = (
            from_words(options, options.script, args)
            if cell is None
            else with_shared(Program("script", "train", cell, args=args), shared)
        )
        return prepare(options, program, name="train", here=Path.cwd(), catalog=lambda: catalog)

    return make
