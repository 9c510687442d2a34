"""Models that are torn, lost, crash, never come to an end or take all memory; files that mean harm;
and a person whose deployment goes on answering meanwhile."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import shutil
import signal
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import hungry_model
import psutil
import pytest
from model_service import ModelService, model_service, until

from dllab_hub.errors import DLLabError, Unavailable
from dllab_hub.specs import Deployment, DeploymentSpec, DeploymentState, ReplicaState

ROW = {"instances": [[1, 2, 3, 4]]}
SUM = {"predictions": [[10, -2]]}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ModelService]:
    """A service without models."""
    with model_service(tmp_path / "models") as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelService]:
    """A service that keeps no model."""
    with model_service(tmp_path_factory.mktemp("shared")) as made:
        yield made


def folder(service: ModelService, version: int) -> Path:
    """Where a version of ``net`` is kept."""
    return service.state.models / "ada" / "net" / str(version)


def torn(path: Path) -> None:
    [file] = [one for one in path.iterdir() if one.suffix == ".onnx"]
    whole = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(whole[: len(whole) // 2])


def emptied(path: Path) -> None:
    [file] = [one for one in path.iterdir() if one.suffix == ".onnx"]
    file.chmod(0o600)
    file.write_bytes(b"")


def lost(path: Path) -> None:
    path.chmod(0o700)
    shutil.rmtree(path)


def hollow(path: Path) -> None:
    path.chmod(0o700)
    for file in path.iterdir():
        file.unlink()


DAMAGE = [
    torn,
    lost,
    pytest.param(emptied, marks=pytest.mark.long),
    pytest.param(hollow, marks=pytest.mark.long),
]


def wish(service: ModelService, **more: object) -> Deployment | DLLabError:
    """A deployment of ``net``, or why there is none."""
    try:
        return service.client.deploy(DeploymentSpec(name="net", model="net", **more))
    except DLLabError as exc:
        return exc


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_first_version_that_is_damaged(
    service: ModelService, onnx_models: Path, damage: Callable[[Path], None]
) -> None:
    """It is refused at once, or FAILED with the reason soon; the next version repairs it."""
    service.publish(onnx_models / "net.onnx")
    damage(folder(service, 1))
    made = wish(service, version=1)
    if isinstance(made, Deployment):

        def failed() -> Deployment | None:
            now = service.client.deployment("net")
            return now if now.state is DeploymentState.FAILED else None

        now = until(failed, "FAILED")
        assert now.reason
        assert "Traceback" not in now.reason
        answer = service.v1(ROW)
        assert 503 == answer.status_code
        assert "Traceback" not in answer.text
    else:
        assert 400 <= made.status < 500 or made.status in (503, 507), made
        assert made.message
    service.publish(onnx_models / "net.onnx")
    service.deploy()

    assert SUM == service.v1(ROW).json()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_next_version_that_is_damaged(
    service: ModelService, onnx_models: Path, damage: Callable[[Path], None]
) -> None:
    """The old version answers all the time; what is wrong is said; another version ends it."""
    service.serve(onnx_models / "net.onnx")
    service.publish(onnx_models / "net.onnx")
    damage(folder(service, 2))
    made = wish(service, version=2)
    if isinstance(made, Deployment):

        def crashed() -> Deployment | None:
            now = service.client.deployment("net")
            return now if any(r.state is ReplicaState.FAILED for r in now.replicas) else None

        now = until(crashed, "the new replica failing")
        assert DeploymentState.DEGRADED is now.state
        assert now.reason
        assert "Traceback" not in now.reason
    else:
        assert made.message
    for _ in range(20):
        answer = service.v1(ROW)
        assert (200, "1") == (answer.status_code, answer.headers["x-model-version"])
    wish(service, version=1)
    service.ready()
    assert SUM == service.v1(ROW).json()


def test_a_model_that_crashes_as_it_loads(service: ModelService, onnx_models: Path) -> None:
    """A replica of the new version that dies of a signal each time: the old one answers, the reason
    names the signal; the same as the only version ends in FAILED."""
    service.serve(onnx_models / "net.onnx")
    service.publish(onnx_models / "net.onnx")
    seen: set[int] = set()

    def crash() -> Deployment | None:
        now = service.client.deployment("net")
        for one in now.replicas:
            if one.version == 2 and one.pid is not None and one.pid not in seen:
                seen.add(one.pid)
                psutil.Process(one.pid).send_signal(signal.SIGSEGV)
        assert SUM == service.v1(ROW).json()
        failed = [r for r in now.replicas if r.version == 2 and r.state is ReplicaState.FAILED]
        return now if failed else None

    wish(service, version=2)
    now = until(crash, "the new version failing")

    assert DeploymentState.DEGRADED is now.state
    assert "SIGSEGV" in now.reason
    assert 4 == len(seen)  # The first time, and three more.


def test_the_files_of_what_runs_are_lost(service: ModelService, onnx_models: Path) -> None:
    """A model whose files are gone goes on answering while its replicas live; one that dies then is
    missed with a reason, and the others answer."""
    before = service.serve(onnx_models / "net.onnx", replicas=2)
    lost(folder(service, 1))
    assert SUM == service.v1(ROW).json()
    os.kill(before.replicas[0].pid or 0, signal.SIGKILL)

    def missed() -> Deployment | None:
        now = service.client.deployment("net")
        return now if now.replicas[0].state is ReplicaState.FAILED else None

    now = until(missed, "the replica failing")
    assert DeploymentState.DEGRADED is now.state
    assert "replica-1" in now.reason
    for _ in range(20):
        assert SUM == service.v1(ROW).json()


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("usual", [10, 50_000], ids=["quick", "slow"])
def test_a_model_that_never_comes_to_an_end(
    service: ModelService, onnx_models: Path, usual: int
) -> None:
    """Who asks is told within the time that a model has; the replica is replaced, and who comes
    later is answered: whether the model is usually so quick that it is computed between other
    things, or has a thread of its own."""
    service.serve(onnx_models / "rounds.onnx")
    quick = {"instances": [usual]}
    for _ in range(3):
        assert 200 == service.v1(quick).status_code
    before = service.replica()
    began = time.monotonic()
    answer = service.v1({"instances": [2**40]})
    took = time.monotonic() - began
    print(f"told after {took:.1f} s: {answer.status_code} {answer.text}")
    assert 5 == answer.status_code // 100
    assert answer.json()["error"]
    assert took < 90

    def answered() -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(service.http, "timeout", httpx.Timeout(10))
            try:
                return service.v1(quick).status_code == 200
            except httpx.TimeoutException:
                return False

    until(answered, "an answer to the next one", 100)
    print(f"answered again after {time.monotonic() - began:.1f} s")
    assert not before.is_running()
    service.ready()


def limited(process: psutil.Process, more: int) -> None:
    """Let a process have so many more bytes of address space than it has now."""
    most = process.memory_info().vms + more
    resource.prlimit(process.pid, resource.RLIMIT_AS, (most, most))


def test_a_replica_without_memory(service: ModelService, tmp_path: Path) -> None:
    """What it has no memory for is refused or failed with a sentence, never half answered; what it
    has memory for is answered, by it or by the one that comes after it."""
    service.serve(hungry_model.write(tmp_path / "hungry.onnx"))
    limited(service.replica(), 256 * 2**20)
    small = {"instances": [1000]}
    assert {"predictions": [0]} == service.v1(small).json()
    for size in (2**31, 2**36, 2**40):
        answer = service.v1({"instances": [size]})
        assert answer.status_code in (400, 413, 500, 502, 503), answer.text
        assert answer.json()["error"]
        assert "Traceback" not in answer.text

    until(lambda: service.v1(small).status_code == 200, "an answer", 60)
    service.ready()


def test_a_replica_that_the_kernel_kills(service: ModelService, onnx_models: Path) -> None:
    """SIGKILL in the middle of a computation, as when memory is out: with another replica the
    request is answered by that one."""
    service.serve(onnx_models / "rounds.onnx", replicas=2)
    some = 20_000
    began = time.monotonic()
    service.v1({"instances": [some]})
    rounds = int(some * 2 / (time.monotonic() - began))
    computing = [service.replica(number=n) for n in (0, 1)]
    start = [process.cpu_times().user for process in computing]
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(service.v1, {"instances": [rounds]})

        def busy() -> psutil.Process | None:
            return next(
                (
                    process
                    for process, user in zip(computing, start, strict=True)
                    if process.cpu_times().user > user + 0.3
                ),
                None,
            )

        victim = until(busy, "a replica computing")
        victim.kill()
        assert 200 == answer.result().status_code
    service.ready()


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def archive(**files: bytes) -> bytes:
    """A zip file, as ``torch.save`` and exports of models are."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name.replace("__", "/"), data)
    return kept.getvalue()


def pickles(mark: Path) -> dict[str, bytes]:
    """Files that would run a command."""
    evil = pickle.dumps(Evil(mark))
    whole = {"archive__version": b"3\n", "archive__byteorder": b"little"}
    return {
        "raw": evil,
        "protocol 0": pickle.dumps(Evil(mark), 0),
        "torch.save": archive(archive__data__=b"", **{"archive__data.pkl": evil}, **whole),
        "torchscript": archive(
            **{
                "archive__data.pkl": evil,
                "archive__constants.pkl": evil,
                "archive__code____torch__.py": b"import os",
            },
            **whole,
        ),
        "torch.export": archive(
            **{
                "archive__models__model.json": b"{}",
                "archive__data__weights__model.pt": evil,
                "archive__archive_format": b"pt2",
                "archive__archive_version": b"0",
                **whole,
            }
        ),
    }


def bombs(mark: Path) -> dict[str, bytes]:
    """Archives that grow, or that write where they should not."""
    slip = io.BytesIO()
    with zipfile.ZipFile(slip, "w") as made:
        made.writestr("saved_model.pb", b"x")
        made.writestr(f"../../../../../../../../../..{mark}", b"x")
        made.writestr(str(mark), b"x")
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w:gz") as tar:
        about = tarfile.TarInfo("saved_model.pb")
        about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(about)
        about = tarfile.TarInfo("variables")
        about.type, about.linkname = tarfile.SYMTYPE, str(mark.parent)
        tar.addfile(about)
        about = tarfile.TarInfo(f"variables/{mark.name}")
        tar.addfile(about, io.BytesIO(b""))
    return {
        "zip bomb": archive(**{"saved_model.pb": b"\0" * 400_000_000}),
        "zip slip": slip.getvalue(),
        "tar links": link.getvalue(),
    }


FILES = ("raw", "protocol 0", "torch.save", "torchscript", "torch.export")
ARCHIVES = ("zip bomb", "zip slip", "tar links")


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".zip"])
@pytest.mark.parametrize("kind", FILES + ARCHIVES)
def test_a_file_that_means_harm(
    shared: ModelService, tmp_path: Path, kind: str, suffix: str
) -> None:
    """Whatever it calls itself it is refused with a sentence; nothing of it runs, nothing of it is
    kept, and nothing is written elsewhere."""
    mark = tmp_path / "mark"
    files = pickles(mark) if kind in FILES else bombs(mark)
    file = tmp_path / f"evil{suffix}"
    file.write_bytes(files[kind])
    disk = shutil.disk_usage(shared.state.root).free
    began = time.monotonic()
    with pytest.raises(DLLabError) as caught:
        shared.client.publish("evil", file)

    # Only an image of its own may look closer at what calls itself a model of another framework.
    needs_image = isinstance(caught.value, Unavailable) and "no image" in caught.value.message
    assert 400 <= caught.value.status < 500 or needs_image
    assert caught.value.message
    assert "Traceback" not in caught.value.message
    assert time.monotonic() - began < 20
    assert not mark.exists()
    assert [] == [path for path in shared.state.models.rglob("*") if path.is_file()]
    assert disk - shutil.disk_usage(shared.state.root).free < 200_000_000


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port of loopback, and who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, who = server.accept()
                except OSError:
                    return
                came.append(who)
                connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "http://127.0.0.1:{port}/net.onnx",
        "http://localhost:{port}/net.onnx",
        "http://[::ffff:127.0.0.1]:{port}/net.onnx",
        "http://2130706433:{port}/net.onnx",
        "http://169.254.169.254/latest/meta-data/",
        "gopher://127.0.0.1:{port}/_x",
        "ftp://127.0.0.1:{port}/net.onnx",
        "simplecache::http://127.0.0.1:{port}/net.onnx",
        "filecache::file:///etc/passwd",
        "local:///etc/passwd",
        "/etc/passwd",
        "../../../../etc/passwd",
        "//etc/passwd",
        "net.onnx\0.txt",
        "pvc://models/net/1",
    ],
)
@pytest.mark.parametrize("key", ["path", "uri", "storage_uri", "source", "file", "url"])
def test_an_address_instead_of_a_file(
    shared: ModelService, listener: tuple[int, list[object]], address: str, key: str
) -> None:
    """The service goes nowhere for anybody: refused at once, and nobody is called."""
    port, came = listener
    began = time.monotonic()
    answer = shared.http.post(
        f"{shared.address}/services/dllab/dllab/api/models/net/versions",
        content=json.dumps({key: address.format(port=port)}),
        headers={"Content-Type": "application/json"},
    )

    assert 400 <= answer.status_code < 500, answer.text
    assert time.monotonic() - began < 2
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text
    assert [] == came
    assert () == shared.client.models().models
