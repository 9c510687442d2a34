"""What is left of a publication that nobody waits for any more: nothing, or a whole version."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dllab_hub.backends.local.account import Account, account_of
from dllab_hub.backends.local.serving.inspection import inspect
from dllab_hub.backends.local.serving.models import Draft, Models
from dllab_hub.backends.local.serving.publisher import Publisher
from dllab_hub.specs import ModelVersion
from dllab_hub.specs.model import ModelFacts

ABOUT = {"inputs": [], "outputs": [], "example": ""}


class SlowModels(Models):
    """Whose threads wait before they are through.

    Attributes:
        begun: A thread is as far as it gets.
        go_on: It goes on.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.begun, self.go_on = threading.Event(), threading.Event()

    def hold(self) -> None:
        self.begun.set()
        assert self.go_on.wait(20)


class SlowToCopy(SlowModels):
    def draft(self, owner: str, file: Path, account: Account) -> Draft:
        made = super().draft(owner, file, account)
        self.hold()
        return made


class SlowToKeep(SlowModels):
    def keep(self, owner: str, model: str, draft: Draft, *about: Any) -> ModelVersion:
        self.hold()
        return super().keep(owner, model, draft, *about)


@pytest.fixture
def file(tmp_path: Path, onnx_models: Path) -> Path:
    """One to publish."""
    file = tmp_path / "net.onnx"
    file.write_bytes((onnx_models / "net.onnx").read_bytes())
    return file


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Path]:
    """Makes an interpreter that does this in place of looking at a model."""

    def make(does: str) -> Path:
        made = tmp_path / "bin" / "python"
        made.parent.mkdir(exist_ok=True)
        made.write_text(f"#!/bin/sh\n{does}\n")
        made.chmod(0o755)
        return made

    return make


def says(python: Callable[[str], Path]) -> Path:
    return python(f"echo '{json.dumps(ABOUT)}'")


def drafts(root: Path) -> list[str]:
    """Names of what is in the owner's directory and no model."""
    return [path.name for path in (root / "ada").iterdir() if path.name.startswith(".")]


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


def a_publisher(models: Models, python: Callable[[], Path]) -> Publisher:
    """One that looks into models with such an interpreter."""

    async def look(owner: str, draft: Draft, example: str) -> dict[str, Any]:
        return await inspect(python(), draft.file, draft.account, example)

    return Publisher(models, look, partial(account_of, os_users=False))


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_while_it_is_copied(
    tmp_path: Path, file: Path, onnx_models: Path, python
) -> None:
    """Whoever is cancelled does not wait for the copy; at its end it is gone,
    and the next one is published.
    """
    models = SlowToCopy(tmp_path / "models")
    publisher = a_publisher(models, lambda: says(python))
    task = asyncio.create_task(publisher.publish("ada", "net", file, ModelFacts()))
    await until(models.begun.is_set)
    began = time.monotonic()
    await cancelled(task)
    assert time.monotonic() - began < 1
    assert 1 == len(drafts(tmp_path / "models"))
    models.go_on.set()
    await until(lambda: not drafts(tmp_path / "models"))
    assert [] == models.names("ada")

    file.write_bytes((onnx_models / "net.onnx").read_bytes())
    assert 1 == (await publisher.publish("ada", "net", file, ModelFacts())).version


def test_cancelled_as_the_loop_ends(tmp_path: Path, file: Path, python) -> None:
    """Also when the loop is closed over it: the thread itself clears away."""
    models = SlowToCopy(tmp_path / "models")
    publisher = a_publisher(models, lambda: says(python))

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.3, models.go_on.set)
        task = asyncio.create_task(publisher.publish("ada", "net", file, ModelFacts()))
        await until(models.begun.is_set)
        assert not task.done()

    asyncio.run(run())
    assert models.go_on.is_set()
    assert [] == drafts(tmp_path / "models")


async def test_cancelled_while_it_is_inspected(tmp_path: Path, file: Path, python) -> None:
    """The process that looks at it ends, and nothing is left."""
    models = Models(tmp_path / "models")
    hangs = python(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    publisher = a_publisher(models, lambda: hangs)
    task = asyncio.create_task(publisher.publish("ada", "net", file, ModelFacts()))
    await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    await cancelled(task)

    assert [] == drafts(tmp_path / "models")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_cancelled_while_it_is_kept(tmp_path: Path, file: Path, python) -> None:
    """A version that is being made is made, with all of its files."""
    models = SlowToKeep(tmp_path / "models")
    publisher = a_publisher(models, lambda: says(python))
    task = asyncio.create_task(publisher.publish("ada", "net", file, ModelFacts()))
    await until(models.begun.is_set)
    task.cancel()
    await asyncio.sleep(0.2)  # A clean-up at once would take it apart.
    models.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [] == drafts(tmp_path / "models")
    (made,) = models.versions("ada", "net")
    assert made.size == models.file("ada", "net", 1).stat().st_size


async def test_files_that_never_end_keep_nobody_else_waiting(
    tmp_path: Path, onnx_models: Path, python
) -> None:
    """One person's files are looked at one after the other; somebody else's come between."""
    models = Models(tmp_path / "models")
    looks = f"case $* in */ada/*) echo >> {tmp_path}/begun; exec sleep 600;; esac\n"
    script = python(f"{looks}echo '{json.dumps(ABOUT)}'")
    publisher = a_publisher(models, lambda: script)

    def publication(owner: str, number: int) -> asyncio.Task[ModelVersion]:
        copy = tmp_path / f"{owner}-{number}.onnx"
        copy.write_bytes((onnx_models / "net.onnx").read_bytes())
        return asyncio.create_task(publisher.publish(owner, "net", copy, ModelFacts()))

    hanging = [publication("ada", number) for number in range(4)]
    await until((tmp_path / "begun").exists)
    async with asyncio.timeout(10):
        assert 1 == (await publication("grace", 1)).version
    assert 1 == len((tmp_path / "begun").read_text().splitlines())
    for task in hanging:
        await cancelled(task)
