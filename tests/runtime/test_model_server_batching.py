"""Requests that wait together are computed together, and each gets its own answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
from replica import Replica

from dllab_hub.runtime.batching import Batcher, can_batch
from dllab_hub.runtime.model import BadRequest, Tensor
from dllab_hub.runtime.model_server import Settings
from dllab_hub.runtime.question import Question

X = {"name": "x", "datatype": "FP32", "shape": [1, 4]}
NEEDED = {
    "DLLAB_MODEL_NAME": "net",
    "DLLAB_MODEL_FILE": "net.onnx",
    "DLLAB_MODEL_VERSION": "1",
    "DLLAB_SOCKET": "s",
}


class Doubling:
    """Computes twice its input; refuses batches with a negative number in them.

    Attributes:
        sizes: Rows of each run.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self._seconds = seconds

    async def run(self, question: Question) -> dict[str, Any]:
        await asyncio.sleep(self._seconds)
        x = question.arrays["x"]
        self.sizes.append(len(x))
        if (x < 0).any():
            raise BadRequest("negative.")
        return {"y": 2 * x}


def question(*rows: float, width: int = 1, dtype: str = "float32") -> Question:
    values = numpy.repeat(numpy.array(rows, dtype)[:, None], width, 1)
    return Question({"x": values}, ("y",), rows=len(rows))


async def ask(batcher: Batcher, *questions: Question) -> list[Any]:
    """All at once; a refusal is its text."""
    answers = await asyncio.gather(*map(batcher.ask, questions), return_exceptions=True)
    return [
        str(found) if isinstance(found, BaseException) else found["y"].tolist() for found in answers
    ]


async def test_they_are_joined_and_split() -> None:
    """Ten requests are one run, and everybody's rows are their own."""
    model = Doubling()
    batcher = Batcher(model.run, most=64, wait=0.05)
    answers = await ask(batcher, *(question(n, n + 0.5) for n in range(10)))

    assert [[[2 * n], [2 * n + 1]] for n in range(10)] == answers
    assert [20] == model.sizes


async def test_what_waits_while_one_is_computed() -> None:
    """Without a pause of their own, those that come meanwhile are the next run."""
    model = Doubling(0.05)
    batcher = Batcher(model.run, most=64, wait=0)
    first = asyncio.create_task(batcher.ask(question(1)))
    await asyncio.sleep(0.02)
    await ask(batcher, *(question(n) for n in range(5)))
    await first

    assert [1, 5] == model.sizes


async def test_no_run_is_larger_than_allowed() -> None:
    """The rest is a run of its own; who brings as many alone is not kept waiting."""
    model = Doubling()
    batcher = Batcher(model.run, most=4, wait=0.02)
    await ask(batcher, *(question(n) for n in range(10)), question(*range(9)))

    assert [2, 4, 4, 9] == sorted(model.sizes)


async def test_others_are_not_joined() -> None:
    """Rows of another shape or type are apart."""
    model = Doubling()
    batcher = Batcher(model.run, most=64, wait=0.02)
    await ask(batcher, question(1), question(2, width=3), question(3), question(4, dtype="float64"))

    assert [1, 1, 2] == sorted(model.sizes)


async def test_one_that_fails_fails_alone() -> None:
    """The others of its batch are answered."""
    model = Doubling()
    answers = await ask(
        Batcher(model.run, most=64, wait=0.02), question(1), question(-1), question(2)
    )

    assert [[[2]], "negative.", [[4]]] == answers


async def test_who_goes_away_keeps_nobody() -> None:
    """A caller that is cut off leaves its batch."""
    model = Doubling()
    batcher = Batcher(model.run, most=64, wait=0.05)
    gone = asyncio.create_task(batcher.ask(question(1)))
    stays = asyncio.create_task(batcher.ask(question(2)))
    await asyncio.sleep(0.01)
    gone.cancel()

    assert [[4]] == (await stays)["y"].tolist()
    assert [1] == model.sizes


async def test_a_model_that_makes_one_row_of_all() -> None:
    """What cannot be split is computed one by one."""

    async def total(question: Question) -> dict[str, Any]:
        return {"y": question.arrays["x"].sum(keepdims=True)}

    answers = await ask(Batcher(total, most=64, wait=0.02), question(1), question(2))

    assert [[[1]], [[2]]] == answers


@pytest.mark.parametrize(
    ("inputs", "outputs", "can"),
    [
        ([(None, 4)], [(None, 2)], True),
        ([(None,)], [(None,)], True),
        ([(2, 4)], [(None, 2)], False),
        ([(None, 4)], [()], False),
        ([(None, 4), (3,)], [(None, 2)], False),
    ],
)
def test_which_models_can(inputs: list[Any], outputs: list[Any], can: bool) -> None:
    """Every input and every output has a row for each instance."""

    class Model:
        example = ""
        run: Any = None

        def __init__(self) -> None:
            self.inputs = tuple(Tensor(str(n), "FP32", shape) for n, shape in enumerate(inputs))
            self.outputs = tuple(Tensor(str(n), "FP32", shape) for n, shape in enumerate(outputs))

    assert can is can_batch(Model())


@pytest.mark.parametrize(
    ("given", "threads"), [({}, 1), ({"DLLAB_CPUS": "0.5"}, 1), ({"DLLAB_CPUS": "3"}, 3)]
)
def test_threads_follow_the_cpus(given: dict[str, str], threads: int) -> None:
    """As many as it has whole ones of, and one at least."""
    assert threads == Settings.read({**NEEDED, **given}).threads


@pytest.mark.parametrize(
    "given",
    [
        *({"DLLAB_CPUS": text} for text in ("two", "-1", "nan", "1e9", "٣")),
        *({"DLLAB_GPUS": text} for text in ("one", "-1")),
        *({"DLLAB_BATCH_MAX": "x"}, {"DLLAB_BATCH_WAIT_MS": "-2"}, {"DLLAB_MAX_BODY": "0"}),
    ],
)
def test_wrong_settings(given: dict[str, str]) -> None:
    """The message names the variable."""
    with pytest.raises(ValueError, match=next(iter(given))):
        Settings.read({**NEEDED, **given})


def test_a_real_replica(onnx_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty callers of both protocols at once get what they asked for, garbage its refusal."""
    monkeypatch.setenv("DLLAB_BATCH_MAX", "16")
    monkeypatch.setenv("DLLAB_BATCH_WAIT_MS", "5")

    def right(n: int) -> list[float]:
        return [n + 3, 3 * n - 2]

    asked: list[Callable[[Replica, int], Any]] = [
        lambda s, n: s.v1({"instances": [[n, 1, 1, 1]]}).json()["predictions"] == [right(n)],
        lambda s, n: s.v2({**X, "data": [n, 1, 1, 1]}).json()["outputs"][0]["data"] == right(n),
        lambda s, n: s.v1({"instances": [[n]]}).status_code == 400,
    ]
    with tempfile.TemporaryDirectory() as folder:
        server = Replica(onnx_models / "net.onnx", Path(folder))
        try:
            server.wait_ready()
            with ThreadPoolExecutor(30) as pool:
                answers = list(pool.map(lambda n: asked[n % 3](server, n), range(300)))
        finally:
            code = server.end()

    assert ([True] * 300, 0) == (answers, code)
