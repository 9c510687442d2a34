"""What becomes of a file on its way to a version: a pod looks into it, and the test plays that."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_api import Asked
from mirrored import until
from played_serving import ONNX, PlayedServing

from dllab_hub.backends.kubernetes.kinds import PODS
from dllab_hub.backends.kubernetes.serving import ClusterServing, inspecting
from dllab_hub.backends.kubernetes.trouble import Unreachable
from dllab_hub.errors import DLLabError, InvalidRequest, Unavailable
from dllab_hub.manifests.inspection import INSPECTION_LABEL, Inspection, inspection
from dllab_hub.specs import ModelVersion
from dllab_hub.specs.model import ModelFacts

ABOUT = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [None, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [None, 2]}],
    "example": "",
}
SAID = json.dumps(ABOUT).encode() + b"\n"


class Publication:
    """A model on its way, and the pod that looks into it."""

    def __init__(self, played: PlayedServing, serving: ClusterServing, example: str = "") -> None:
        file = played.state.root / "came"
        file.write_bytes(ONNX)
        self.played = played
        facts = ModelFacts(example=example) if example else None
        self.task = asyncio.create_task(serving.publish("ada", "net", file, facts))

    async def pod(self) -> dict[str, Any]:
        """Once it is there."""
        await until(lambda: pods(self.played) or self.task.done())
        if self.task.done():
            await self.task
        (found,) = pods(self.played)
        return found

    async def ends(
        self, log: bytes, code: int = 0, reason: str = "Completed", **status: Any
    ) -> ModelVersion:
        """It has written this, and ended so; what comes of it."""
        pod = await self.pod()
        self.played.fake.logs[pod["metadata"]["name"]] = log
        over = {"terminated": {"exitCode": code, "reason": reason}}
        phase = "Failed" if code else "Succeeded"
        await self.is_so(phase, over, **status)
        return await self.task

    async def is_so(self, phase: str, state: dict[str, Any] | None = None, **status: Any) -> None:
        """Its status."""
        pod = await self.pod()
        containers = [{"name": "model", "state": state}] if state is not None else []
        said = {"phase": phase, "containerStatuses": containers, **status}
        self.played.fake.put(PODS, {**pod, "status": said})

    async def fails(self, kind: type[DLLabError]) -> DLLabError:
        """Why nothing came of it: its pod is removed, and nothing of the draft is left."""
        with pytest.raises(kind) as caught:
            await self.task
        assert kind is type(caught.value)
        assert_clean(self.played)
        return caught.value


def pods(played: PlayedServing) -> list[dict[str, Any]]:
    """Those that look into models."""
    return [
        one
        for key, one in played.fake.objects.items()
        if key[0] == "pods" and INSPECTION_LABEL in one["metadata"]["labels"]
    ]


def assert_clean(played: PlayedServing) -> None:
    """No pod, no draft, no model."""
    assert [] == pods(played)
    assert ["digits"] == sorted(path.name for path in (played.state.models / "ada").iterdir())


def drafts(played: PlayedServing) -> list[Path]:
    return list(played.state.models.glob("*/.new-*"))


async def test_a_model_is_looked_into(played: PlayedServing) -> None:
    """The pod is the manifests'; what it says is the version's record, and it is gone."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        pod = await coming.pod()
        (draft,) = drafts(played)
        about = Inspection(
            id=pod["metadata"]["name"].removeprefix("i-"),
            owner="ada",
            slug="ada",
            folder=draft.name,
            format="onnx",
            size=len(ONNX),
        )
        (asked,) = played.fake.asked("apply", PODS)
        assert inspection(about, played.cluster) == asked.body
        made = await coming.ends(b"a warning of a framework\n" + SAID)

    assert (1, "onnx", "ada") == (made.version, made.format, made.publisher)
    assert (ABOUT["inputs"], ABOUT["outputs"]) == (
        [one.to_wire() for one in made.inputs],
        [one.to_wire() for one in made.outputs],
    )
    assert ([], []) == (pods(played), drafts(played))
    assert ONNX == (played.state.models / "ada" / "net" / "1" / "model.onnx").read_bytes()


async def test_the_answer_is_among_other_lines(played: PlayedServing) -> None:
    """What a framework writes before or after it, numbers and words, is no answer."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        made = await coming.ends(b"[1, 2]\n" + SAID + b"3\nbye {}}\n\n")
    assert ("x", "y") == (made.inputs[0].name, made.outputs[0].name)


async def test_an_example_lies_beside_it(played: PlayedServing) -> None:
    """Readable for the pods' user alone, as long as it is looked at; it is in the record then."""
    example = '{"instances": [[1, 2, 3, 4]]}'
    async with played.service() as serving:
        coming = Publication(played, serving, example)
        pod = await coming.pod()
        (draft,) = drafts(played)
        path = draft / "example.json"
        assert example == path.read_text()
        about = path.stat()
        assert (0o400, os.geteuid()) == (stat.S_IMODE(about.st_mode), about.st_uid)
        assert "/dllab/model/example.json" == pod["spec"]["containers"][0]["command"][-1]
        made = await coming.ends(json.dumps({**ABOUT, "example": example}).encode())

    assert example == made.example
    folder = played.state.models / "ada" / "net" / "1"
    assert ["model.json", "model.onnx"] == sorted(one.name for one in folder.iterdir())


async def test_its_refusal_reaches_who_publishes(played: PlayedServing) -> None:
    """Word by word, and nothing is left."""
    said = b'{"error": "the file is cut short: publish it again."}\n'
    async with played.service() as serving:
        coming = Publication(played, serving)
        with pytest.raises(InvalidRequest):
            await coming.ends(said, 1, "Error")
        exc = await coming.fails(InvalidRequest)
    assert ("the file is cut short: publish it again.", "model") == (exc.message, exc.field)


@pytest.mark.parametrize(
    ("log", "code", "reason", "kind", "message"),
    [
        (b"", 137, "OOMKilled", InvalidRequest, "with signal 9"),
        (b"half an ans", 137, "OOMKilled", InvalidRequest, "with signal 9"),
        (b"", 139, "Error", InvalidRequest, "with signal 11"),
        (b"", 3, "Error", InvalidRequest, "with code 3"),
        (b"Traceback\nModuleNotFoundError: kserve\n", 1, "Error", Unavailable,
         "the image that serves it does not work: ModuleNotFoundError: kserve"),
        (b'{"inputs": 3}\n', 0, "Completed", InvalidRequest, "with code 0"),
        (b"x" * 5000, 1, "Error", Unavailable, "does not work: " + "x" * 500 + "."),
    ],
)  # fmt: skip
async def test_how_it_may_end(
    played: PlayedServing, log: bytes, code: int, reason: str, kind: Any, message: str
) -> None:
    """Each end has its sentence: a model that is too large is another thing than a broken image."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        with pytest.raises(kind):
            await coming.ends(log, code, reason)
        assert message in (await coming.fails(kind)).message


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: memory."},
         "The node was low on resource: memory."),
        ({"reason": "NodeShutdown"}, "NodeShutdown"),
        ({"reason": "DeadlineExceeded", "message": "Pod was active too long."},
         "Pod was active too long."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("state", [None, {"terminated": {"exitCode": 137, "reason": "Error"}}])
async def test_the_cluster_ends_it(
    played: PlayedServing, status: dict[str, str], message: str, state: Any
) -> None:
    """A pod that the cluster has taken away says nothing about the model."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        await coming.is_so("Failed", state, **status)
        exc = await coming.fails(Unavailable)
    assert message in exc.message


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName"])
async def test_an_image_that_cannot_be_had(played: PlayedServing, reason: str) -> None:
    """That is said at once, in the node's words."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        said = "manifest for registry.example.org/lab/serving-onnx:0.21 not found"
        await coming.is_so("Pending", {"waiting": {"reason": reason, "message": said}})
        exc = await coming.fails(Unavailable)
    assert said in exc.message
    assert "administrator" in exc.hint


async def test_no_place_for_it(played: PlayedServing, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for a node for so long, and then it is said why there was none."""
    monkeypatch.setattr(inspecting, "_PLACE", 0.2)
    said = "0/3 nodes are available: 3 Insufficient memory."
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                   "message": said}]  # fmt: skip
    async with played.service() as serving:
        coming = Publication(played, serving)
        await coming.is_so("Pending", conditions=conditions)
        exc = await coming.fails(Unavailable)
    assert f"did not look into the model within 0 seconds: {said}" in exc.message


async def test_a_start_that_hangs(played: PlayedServing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that never starts is given up after as long, with what is known."""
    monkeypatch.setattr(inspecting, "_PLACE", 0.2)
    async with played.service() as serving:
        coming = Publication(played, serving)
        await coming.is_so("Pending", {"waiting": {"reason": "ContainerCreating"}})
        exc = await coming.fails(Unavailable)
    assert "ContainerCreating" in exc.message


async def test_it_never_ends(played: PlayedServing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that is not loaded in time is none that can be served; its pod is taken away."""
    monkeypatch.setattr(inspecting, "_PLACE", 0.6)  # Where it runs, that counts no more.
    monkeypatch.setattr(inspecting, "_LOAD", 0.8)
    async with played.service() as serving:
        coming = Publication(played, serving)
        await coming.is_so("Running", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
        exc = await coming.fails(InvalidRequest)
    assert "could not be loaded within 1 seconds" in exc.message


async def test_somebody_removes_it(played: PlayedServing) -> None:
    """That is said, and nothing is kept."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        pod = await coming.pod()
        played.fake.remove(PODS, played.space, pod["metadata"]["name"])
        exc = await coming.fails(Unavailable)
    assert "somebody has removed the pod" in exc.message


async def test_the_cluster_refuses_it(played: PlayedServing) -> None:
    """In the cluster's own words."""
    said = 'pods "i-1" is forbidden: exceeded quota: models'
    async with played.service() as serving:
        played.fake.fail("apply", 403, kind=PODS, said=said)
        exc = await Publication(played, serving).fails(Unavailable)
    assert said in exc.message


@pytest.mark.parametrize("how", ["lost", 500, "reset"])
async def test_no_answer_of_the_cluster(played: PlayedServing, how: Any) -> None:
    """Whether the pod was made or not, none is left."""
    async with played.service() as serving:
        played.fake.fail("apply", how, kind=PODS)
        await Publication(played, serving).fails(Unreachable)
        await until(lambda: played.fake.asked("delete", PODS))


async def test_who_publishes_goes_away(played: PlayedServing) -> None:
    """Nothing goes on for somebody who does not wait any more."""
    async with played.service() as serving:
        coming = Publication(played, serving)
        await coming.pod()
        coming.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coming.task
        await until(lambda: not pods(played))
        assert_clean(played)


async def test_no_cluster_yet(played: PlayedServing) -> None:
    """What is published before the cluster is found is refused, with the reason."""
    played.fake.denied.add(("create", "deployments"))
    async with played.service(found=False) as serving:
        await until(lambda: "may make no" in serving._trouble)
        exc = await Publication(played, serving).fails(Unavailable)
    assert "may make no deployments" in exc.message


async def test_what_a_service_before_has_left(played: PlayedServing) -> None:
    """A pod and a draft of a service that was killed are removed when the next one starts."""
    about = Inspection(
        id="0a1b2c3d4e5f", owner="ada", slug="ada", folder=".new-x", format="onnx", size=1
    )
    played.fake.put(PODS, inspection(about, played.cluster))
    left = played.state.models / "ada" / ".new-x"
    left.mkdir()
    (left / "model.onnx").write_bytes(ONNX)
    mine = {"namespace": played.space, "name": "somebody", "labels": {"app": "else"}}
    played.fake.put(PODS, {"metadata": mine})
    async with played.service():
        assert_clean(played)
    assert played.fake.get(PODS, played.space, "somebody")


async def test_two_of_one_person(played: PlayedServing) -> None:
    """One person's models are looked into one after the other; the numbers follow each other."""
    async with played.service() as serving:
        first, second = Publication(played, serving), None
        await first.pod()
        second = Publication(played, serving)
        await asyncio.sleep(0.1)
        assert 1 == len(pods(played))
        assert 1 == (await first.ends(SAID)).version
        assert 2 == (await second.ends(SAID)).version
    assert 2 == len({one.name for one in _made(played, lambda one: one.answer == 201)})


def _made(played: PlayedServing, which: Callable[[Asked], bool]) -> list[Asked]:
    return [one for one in played.fake.asked("apply", PODS) if which(one)]


async def test_a_pickle(played: PlayedServing) -> None:
    """It is refused before anybody opens it, unless the administrator allows them."""
    file = played.state.root / "came.pkl"
    async with played.service() as serving:
        file.write_bytes(pickle.dumps({"coef": [1.0]}))
        with pytest.raises(InvalidRequest, match="is a pickle"):
            await serving.publish("ada", "net", file)
        assert_clean(played)
        assert [] == played.fake.asked("apply", PODS)

        played.said = {"serving": {"pickles": True}}
        file.write_bytes(pickle.dumps({"coef": [1.0]}))
        coming = asyncio.create_task(serving.publish("ada", "net", file))
        await until(lambda: pods(played))
        (pod,) = pods(played)
        assert "/dllab/model/model.pkl" == pod["spec"]["containers"][0]["command"][-1]
        assert "serving-sklearn" in pod["spec"]["containers"][0]["image"]
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
