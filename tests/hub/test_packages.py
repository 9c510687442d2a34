"""Packages on top of an image: real pip, without an index of packages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from running_hub import marked, until

from dllab_hub.errors import InvalidRequest
from dllab_hub.hub.packages import install, is_satisfied, remember
from dllab_hub.images import overlay


def wheel(directory: Path, name: str, needs: str = "") -> None:
    """A package without content."""
    directory.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(directory / f"{name}-1.0-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        file.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}"
        )
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        )  # fmt: skip
        file.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")


class Place:
    """An overlay and a directory of wheels."""

    def __init__(self, top: Path) -> None:
        self.links = top / "wheels"
        wheel(self.links, "alpha", "beta")
        wheel(self.links, "beta")
        self.overlay = top / "overlay"
        self.python = overlay.make(self.overlay, sys.executable)
        self.said: list[str] = []

    async def install(self, *requirements: str, **environ: str) -> None:
        about = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.links), "PATH": os.defpath}
        await install(
            str(self.python),
            requirements,
            self.said.append,
            environ={**about, **environ},
            account={},
            cwd="/",
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_packages_go_into_the_overlay(place: Place) -> None:
    """With what they need, and with sentences on the way; once is enough for the same list."""
    mark = place.overlay.parent / "mark"
    await place.install("alpha")
    remember(mark, place.python, ["alpha"])

    assert ["alpha==1.0", "beta==1.0"] == overlay.installed(place.overlay)
    assert any(said.startswith("Looking up alpha") for said in place.said)
    assert "Installing 2 packages" in place.said
    assert is_satisfied(mark, place.python, ["alpha"])
    assert not is_satisfied(mark, place.python, ["alpha", "beta"])


async def test_a_change_of_the_overlay_is_seen(place: Place) -> None:
    """Whoever takes a package away gets it back at the next start."""
    mark = place.overlay.parent / "mark"
    await place.install("beta")
    remember(mark, place.python, ["beta"])
    [module] = place.overlay.glob("lib/python*/site-packages/beta.py")
    time.sleep(0.02)
    module.unlink()

    assert not is_satisfied(mark, place.python, ["beta"])
    assert not is_satisfied(place.overlay / "none", place.python, ["beta"])


async def test_pips_reason_is_told(place: Place) -> None:
    """A package that does not exist is the person's mistake, named with its field."""
    with pytest.raises(InvalidRequest, match="No matching distribution found for nonsense") as said:
        await place.install("nonsense")

    assert "requirements" == said.value.field


async def test_an_option_is_never_one(place: Place) -> None:
    """Whatever stands in the list is a name for pip, not an option."""
    with pytest.raises(Exception, match="packages cannot be installed"):
        await place.install("--target=/tmp/elsewhere")


async def test_cancelled_it_ends_pip(place: Place) -> None:
    """Nothing goes on when the start was stopped."""
    (place.links / "gamma-1.0").mkdir()
    (place.links / "slow.py").write_text("import time\ntime.sleep(60)\n")
    fifo = place.links / "gamma-1.0-py3-none-any.whl"
    os.mkfifo(fifo)  # pip opens it and waits.
    mark = f"DLLAB_TEST_MARK={place.overlay}"
    task = asyncio.create_task(place.install("gamma", DLLAB_TEST_MARK=str(place.overlay)))
    assert await asyncio.to_thread(until, lambda: marked(mark), 10)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert task.cancelled()
    assert 1 > time.monotonic() - began
    assert [] == await asyncio.to_thread(marked, mark)
