"""Data volumes in jobs of this machine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from buckets import Buckets, s3_server

from dllab_hub.backends.local import LocalBackend
from dllab_hub.errors import InvalidRequest
from dllab_hub.specs import Code, JobState
from dllab_hub.state import StateDir

READS = """
import os, sys
from dllab_hub.runtime.data import open_volume, volumes
print(sorted(volumes()))
print(open("data/disk/labels.txt").read())
files = open_volume("bucket")
print(files.cat("images/1.txt").decode())
files.pipe_file(f"out/{os.environ['RANK']}.txt", b"from the job")
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[Buckets]:
    """An S3 server."""
    with s3_server() as buckets:
        yield buckets


@pytest.fixture
async def backend(
    a_state: StateDir, s3: Buckets, running: Any, tmp_path: Path
) -> AsyncIterator[LocalBackend]:
    """A backend with a bucket and a directory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "labels.txt").write_text("of the disk")
    a_state.root.mkdir()
    options = "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in s3.options.items()) + "}"
    (a_state.root / "catalog.toml").write_text(
        f"""
        [[volumes]]
        name = "disk"
        title = "Disk"
        path = "{disk}"
        [[volumes]]
        name = "bucket"
        title = "Bucket"
        url = "s3://team/data"
        options = {options}
        """
    )
    async with running(a_state) as backend:
        yield backend


async def ended(backend: LocalBackend, id: str, until: Any) -> Any:
    async def over() -> Any:
        job = await backend.get("ada", id)
        return job if job.state.is_terminal else None

    return await until(over)


async def test_a_job_reads_its_volumes(
    backend: LocalBackend, s3: Buckets, make_spec: Any, until: Any
) -> None:
    """A directory is a link in the workspace, a bucket is opened; both replicas write to it."""
    s3.files().pipe_file("team/data/images/1.txt", b"of the bucket")
    spec = make_spec(source=READS, replicas=2, volumes=("disk", "bucket"))

    job = await ended(backend, (await backend.submit("ada", spec)).id, until)

    log = (await backend.logs("ada", job.id, replica="worker-0")).text
    assert (JobState.SUCCEEDED, log) == (
        job.state,
        "['bucket', 'disk']\nof the disk\nof the bucket\n",
    )
    assert ["0.txt", "1.txt"] == [
        path.rpartition("/")[2] for path in s3.files().ls("team/data/out", detail=False)
    ]
    assert "secret" not in json.dumps(job.to_wire())


async def test_a_job_without_volumes(backend: LocalBackend, make_spec: Any, until: Any) -> None:
    """It has none, whatever the service's own environment says."""
    source = "import os; print(os.environ['DLLAB_VOLUMES'], os.path.exists('data'))"
    job = await ended(backend, (await backend.submit("ada", make_spec(source=source))).id, until)
    assert (await backend.logs("ada", job.id, replica="worker-0")).text == "{} False\n"


async def test_a_volume_that_is_not_there(
    backend: LocalBackend, make_spec: Any, until: Any, tmp_path: Path
) -> None:
    """An unknown one is refused; one whose directory went away, and a file in its way, are said."""
    with pytest.raises(InvalidRequest, match="Choose from: disk, bucket"):
        await backend.submit("ada", make_spec(volumes=("nas",)))

    code = Code(source="print()", files={"data/disk": "in the way"})
    submitted = await backend.submit("ada", make_spec(code=code, volumes=("disk",)))
    job = await ended(backend, submitted.id, until)
    assert (JobState.FAILED, True) == (job.state, "rename data/disk" in job.reason)

    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    submitted = await backend.submit("ada", make_spec(volumes=("disk",)))
    job = await ended(backend, submitted.id, until)
    assert (JobState.FAILED, True) == (job.state, "disk is not there now" in job.reason)
