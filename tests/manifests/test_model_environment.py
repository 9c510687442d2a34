"""What a pod tells its model server is what that reads: nothing else compares the two."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import CATALOG
from hypothesis import given
from hypothesis import strategies as st
from servings import CLUSTER, OWNER, SERVINGS, published

from dllab_hub.backends.local.serving.models import _NAMES
from dllab_hub.catalog import assemble
from dllab_hub.manifests.model_pod import FILES, PORT, container
from dllab_hub.manifests.served import Served
from dllab_hub.runtime import model_server
from dllab_hub.runtime.model_server import Settings
from dllab_hub.specs import Batch, DeploymentSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")


def environment(served: Served) -> dict[str, str]:
    """As its process sees it: Kubernetes reads ``$$`` as ``$``."""
    (track, *_) = served.tracks
    made = container(served, track, OFFERED, CLUSTER)
    return {one["name"]: one["value"].replace("$$", "$") for one in made["env"]}


def served(**spec: Any) -> Served:
    wish = DeploymentSpec(name="digits", model="digits", **spec)
    return Served(OWNER, wish, published(7, "torch-export"))


def test_what_is_wished_for_is_what_is_read() -> None:
    """Each wish arrives with its value."""
    read = Settings.read(environment(served(gpus=2, cpus=4, batch=Batch(size=32, wait=0.00005))))

    assert (
        Settings(
            name="digits",
            file=Path("/dllab/model/model.pt2"),
            version="7",
            socket=None,
            max_body=8 << 20,
            listen=(None, PORT),
            threads=4,
            batch_max=32,
            batch_wait=0.00005,
            gpus=2,
        )
        == read
    )


def test_what_is_not_wished_for_is_as_usual() -> None:
    """Without GPUs, CPUs and a batch the server's own defaults hold."""
    read = Settings.read(environment(served()))

    assert (1, 0, 0.002, 0) == (read.threads, read.batch_max, read.batch_wait, read.gpus)


@given(
    st.none() | st.integers(1, 64),
    st.integers(0, 8),
    st.none() | st.builds(Batch, size=st.integers(2, 1024), wait=st.floats(0, 1)),
)
def test_any_number_is_read(cpus: int | None, gpus: int, batch: Batch | None) -> None:
    """No number that may be wished for is written in a way that the server refuses."""
    read = Settings.read(environment(served(cpus=cpus, gpus=gpus, batch=batch)))

    assert (gpus, cpus or 1) == (read.gpus, read.threads)
    if batch is not None:
        assert batch.size == read.batch_max
        assert batch.wait == pytest.approx(read.batch_wait, abs=1e-9)


@pytest.mark.parametrize("name", SERVINGS)
def test_no_name_is_for_nobody(name: str) -> None:
    """Every variable of ours is one that the server's documentation has: a typing error is seen."""
    known = set(re.findall(r"``(DLLAB_[A-Z_]+)``", model_server.__doc__ or ""))
    for format in FILES:
        ours = environment(replace(SERVINGS[name], model=published(9, format)))
        assert {key for key in ours if key.startswith("DLLAB_")} <= known
    assert "DLLAB_LISTEN" in known


@pytest.mark.parametrize("format", FILES)
def test_the_file_is_the_one_that_is_published(format: Any) -> None:
    """What is mounted is called as the store of models calls it."""
    (track, *_) = replace(SERVINGS["plain"], model=published(2, format)).tracks
    made = environment(replace(SERVINGS["plain"], model=track.model))

    assert _NAMES[format] == Settings.read(made).file.name
