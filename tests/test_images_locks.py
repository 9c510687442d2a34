"""The locks of the container images: all that is asked for, by version and digest, and no more."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from dllab_hub import images

SHIPPED = Path(images.__file__).parents[2] / "images"
LINE = re.compile(r"([a-z0-9-]+)==([0-9a-z.+]+) --hash=sha256:[0-9a-f]{64}")


def program() -> ModuleType:
    """``images/locks.py``, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("locks", SHIPPED / "locks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["locks"] = module  # Its dataclass looks its own module up.
    spec.loader.exec_module(module)
    return module


LOCKS = program()
ALL = {lock.name: lock for lock in LOCKS.locks()}


def locked(name: str) -> dict[str, Version]:
    """What a lock says; a line that is neither a comment nor a pin with one digest fails."""
    lines = ALL[name].path.read_text().splitlines()
    found = [LINE.fullmatch(line) for line in lines if not line.startswith("#")]
    assert None not in found
    pairs = [(match[1], Version(match[2])) for match in found if match]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_each_environment_has_a_lock() -> None:
    """The lab's, and one for every Dockerfile."""
    dockerfiles = {path.parent.name for path in SHIPPED.glob("*/Dockerfile")}

    assert {*dockerfiles, "lab"} == set(ALL)
    assert [] == [name for name, lock in ALL.items() if not lock.path.is_file()]


@pytest.mark.parametrize("name", ALL)
def test_a_lock_holds_what_is_asked_for(name: str) -> None:
    """Requirements changed without `make locks` are found here: ours, the image's, pyproject's."""
    have = locked(name)
    machine = {"sys_platform": "linux", "platform_machine": LOCKS.MACHINE, "extra": ""}
    platform = default_environment() | machine | {"python_version": ALL[name].python}
    asked = [Requirement(line) for line in ALL[name].wanted()]
    here = [one for one in asked if not one.marker or one.marker.evaluate(platform)]

    assert len(here) >= 5
    assert [] == [
        str(one)
        for one in here
        if not one.specifier.contains(have.get(canonicalize_name(one.name), Version("0")))
    ]


@pytest.mark.parametrize("name", ALL)
def test_a_lock_names_no_index(name: str) -> None:
    """Where the files come from is the builder's choice; what they are is not."""
    text = ALL[name].path.read_text()

    assert "://" not in text
    assert not re.search(r"^--", text, re.M)


@pytest.mark.parametrize("name", ALL)
def test_a_lock_counts_its_packages(name: str) -> None:
    """Its second line is of the lines below."""
    packages, size, disk = LOCKS.cost(ALL[name])

    assert len(locked(name)) == packages
    assert 10_000_000 < size < disk


def test_the_lab_and_the_hub_have_one_jupyterhub() -> None:
    """A lab speaks to a hub of its own main version."""
    assert locked("hub")["jupyterhub"].major == locked("lab")["jupyterhub"].major


def test_the_readme_has_the_sizes() -> None:
    """The table is that of the locks."""
    text = (SHIPPED / "README.md").read_text()

    assert text.partition(LOCKS.BEGIN)[2].partition(LOCKS.END)[0] == LOCKS.table()


def test_the_file_that_pip_takes_is_locked() -> None:
    """A wheel for the platform comes before one for all; other platforms' are none."""
    order = LOCKS.ranks("3.11")
    files = [
        "x-1-cp312-cp312-manylinux_2_17_x86_64.whl",
        "x-1-cp311-cp311-manylinux_2_17_aarch64.whl",
        "x-1-py3-none-any.whl",
        "x-1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    ]
    wheels = [{"url": f"https://index.example/{name}"} for name in files]

    def best(count: int) -> str:
        package = {"name": "x", "version": "1", "wheels": wheels[:count]}
        return str(LOCKS.best(package, order)["url"]).rsplit("/", 1)[-1]

    assert (files[2], files[3]) == (best(3), best(4))
    with pytest.raises(SystemExit, match="x 1 has no wheel for x86_64"):
        best(2)


def test_older_platforms_are_accepted_last() -> None:
    """As pip has it: the newest C library first, an old name right after its new one."""
    order = LOCKS.ranks("3.11")
    newest, new, old, plain = (
        order[Tag("cp311", "cp311", f"{platform}_x86_64")]
        for platform in ("manylinux_2_36", "manylinux_2_17", "manylinux2014", "linux")
    )

    assert 0 == newest < new == old - 1 < plain
    assert Tag("cp311", "cp311", "manylinux_2_37_x86_64") not in order


def test_extras_of_ours_are_followed() -> None:
    """The hub on Kubernetes has the lab's packages too, and ours itself is in no lock."""
    wanted = {Requirement(line).name for line in LOCKS.needs(("kubernetes",))}

    assert {"httpx", "jupyterlab", "jupyterhub", "kubernetes_asyncio"} <= wanted
    assert LOCKS.OURS not in wanted | set().union(*(locked(name) for name in ALL))
