"""What every `Serving` promises, run on each of them."""

from __future__ import annotations

import asyncio
import json

import pytest
from serving_place import ROWS, ServingPlace, until

from dllab_hub.backends.serving import Call
from dllab_hub.errors import InvalidRequest, NotFound
from dllab_hub.specs import DeploymentState, ReplicaState

STRANGE_NAMES = ("", ".", "..", "../../etc/passwd", "a/b", "a\0b", "Ä", "x" * 300, "-x", "A")


@pytest.fixture
def grace(serving_place):
    """The same place for somebody else."""
    return ServingPlace(serving_place.serving, serving_place._files, "grace")


async def test_versions_of_a_model(serving_place):
    """Each publication is the next version, from 1; the newest comes first."""
    made = [await serving_place.publish() for _ in range(3)]
    versions = await serving_place.serving.versions("ada", "digits")

    assert [1, 2, 3] == [one.version for one in made]
    assert tuple(reversed(made)) == versions
    assert {64} == {len(one.sha256) for one in made}
    assert made[0].size > 0
    assert made[0].inputs
    assert made[0].outputs


async def test_publications_at_once(serving_place):
    """Files that come together become different versions, without a gap."""
    made = await asyncio.gather(*(serving_place.publish() for _ in range(4)))

    assert [1, 2, 3, 4] == sorted(one.version for one in made)


async def test_models_by_page(serving_place):
    """Models come by name, page by page, each with its versions."""
    for name in ("b", "c", "a", "a"):
        await serving_place.publish(name)
    serving = serving_place.serving
    first = await serving.models("ada", limit=2)
    rest = await serving.models("ada", limit=2, after=first.next)

    assert [("a", 2), ("b", 1)] == [(one.name, len(one.versions)) for one in first.models]
    assert (["c"], None) == ([one.name for one in rest.models], rest.next)
    assert {"ada"} == {one.owner for one in first.models}
    for limit, after in ((0, None), (501, None), (5, "../x")):
        with pytest.raises(InvalidRequest):
            await serving.models("ada", limit=limit, after=after)


async def test_a_file_that_is_no_model(serving_place):
    """It is refused with the field and a sentence, and there is no such model."""
    with pytest.raises(InvalidRequest) as caught:
        await serving_place.publish(file="text")

    assert "model" == caught.value.field
    with pytest.raises(NotFound):
        await serving_place.serving.versions("ada", "digits")


@pytest.mark.parametrize("name", STRANGE_NAMES)
async def test_strange_names(serving_place, name):
    """What cannot be a name is refused where something is made, and not there elsewhere."""
    with pytest.raises(InvalidRequest):
        await serving_place.publish(name)
    for verb in (
        serving_place.serving.versions("ada", name),
        serving_place.serving.get("ada", name),
        serving_place.serving.scale("ada", name, 1),
        serving_place.serving.delete("ada", name),
        serving_place.serving.logs("ada", name),
        serving_place.serving.events("ada", name),
        serving_place.serving.call("ada", name, Call("GET", "v2/models/x/ready")),
    ):
        with pytest.raises(NotFound):
            await verb


async def test_a_deployment_answers(serving_place):
    """V1 and V2 answer, with the version in a header; traffic and events tell of it."""
    await serving_place.publish()
    made = await serving_place.deploy(2)
    now = await serving_place.ready()
    reply = await serving_place.ask()
    one = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1.0, 2.0]}
    call = Call("POST", "v2/models/digits/infer", json.dumps({"inputs": [one]}).encode())
    second = await serving_place.serving.call("ada", "digits", call)

    async def counted():
        traffic = (await serving_place.get()).traffic
        return traffic is not None and traffic.requests >= 2

    await until(counted)
    events = await serving_place.serving.events("ada", "digits")

    assert ("digits", "ada", 1, 2) == (made.name, made.owner, made.version, made.spec.replicas)
    assert 2 == now.ready
    assert {ReplicaState.READY} == {one.state for one in now.replicas}
    assert (200, {"predictions": ROWS}) == (reply.status, json.loads(reply.body))
    assert "1" == reply.headers["x-model-version"]
    assert 200 == second.status
    assert [1.0, 2.0] == json.loads(second.body)["outputs"][0]["data"]
    assert events
    assert sorted(event.time for event in events) == [event.time for event in events]


async def test_a_request_that_is_wrong(serving_place):
    """What the model server says of a wrong request is passed on, and it goes on answering."""
    await serving_place.served()
    path = "v1/models/digits:predict"
    for body in (b"{", b"[]", b"{}", b'{"instances": []}', b""):
        reply = await serving_place.serving.call("ada", "digits", Call("POST", path, body))
        assert 400 <= reply.status < 500, body
        assert json.loads(reply.body)["error"]

    assert 200 == (await serving_place.ask()).status


async def test_a_wish_for_what_is_not_there(serving_place):
    """A model or version that does not exist is refused at once, and nothing is deployed."""
    with pytest.raises(InvalidRequest) as caught:
        await serving_place.deploy()
    assert "model" == caught.value.field
    await serving_place.publish()
    with pytest.raises(InvalidRequest) as caught:
        await serving_place.deploy(version=2)

    assert "version" == caught.value.field
    assert () == (await serving_place.serving.list("ada")).deployments


async def test_the_newest_version_at_the_time_of_the_wish(serving_place):
    """A wish without a version keeps the one it came to; the next wish comes to the next one."""
    await serving_place.served()
    await serving_place.publish()
    before = await serving_place.get()
    await serving_place.deploy()
    after = await serving_place.ready()
    await serving_place.deploy(version=1)
    back = await serving_place.ready()

    assert (1, 2, 1) == (before.version, after.version, back.version)
    assert "1" == (await serving_place.ask()).headers["x-model-version"]
    assert before.created == back.created
    assert before.updated < back.updated


async def test_scaling(serving_place):
    """There are as many replicas as were asked for; a number that makes no sense is refused."""
    await serving_place.served()
    more = await serving_place.serving.scale("ada", "digits", 3)
    await serving_place.ready()
    await serving_place.serving.scale("ada", "digits", 1)

    async def fewer():
        return len((await serving_place.get()).replicas) == 1

    await until(fewer)
    for wrong in (0, -1, 33):
        with pytest.raises(InvalidRequest):
            await serving_place.serving.scale("ada", "digits", wrong)

    assert 3 == more.spec.replicas
    assert DeploymentState.READY is (await serving_place.get()).state


async def test_deployments_by_page(serving_place):
    """Deployments come by name, page by page."""
    await serving_place.publish()
    for name in ("b", "c", "a"):
        await serving_place.deploy(name=name)
    serving = serving_place.serving
    first = await serving.list("ada", limit=2)
    rest = await serving.list("ada", limit=2, after=first.next)

    assert ["a", "b"] == [one.name for one in first.deployments]
    assert (["c"], None) == ([one.name for one in rest.deployments], rest.next)
    with pytest.raises(InvalidRequest):
        await serving.list("ada", limit=0)


async def test_logs(serving_place):
    """Every replica and the balancer have a log, in pieces; another one is not there."""
    await serving_place.served(2)
    serving = serving_place.serving

    async def said():
        return (await serving.logs("ada", "digits", replica="replica-1")).text

    whole = await until(said)
    cut = await serving.logs("ada", "digits", replica="replica-1", offset=2, limit=5)
    newest = await serving.logs("ada", "digits")
    await serving.logs("ada", "digits", replica="balancer")
    for name in ("replica-3", "../replica-1"):
        with pytest.raises(NotFound):
            await serving.logs("ada", "digits", replica=name)
    with pytest.raises(InvalidRequest):
        await serving.logs("ada", "digits", limit=0)

    assert "digits" in whole
    assert (whole[2:7], 2, 7) == (cut.text, cut.offset, cut.next_offset)
    assert "replica-2" == newest.replica


async def test_another_persons_things(serving_place, grace):
    """Of another person there is nothing; equal names do not meet."""
    await serving_place.served()
    for verb in (
        grace.get(),
        grace.serving.scale("grace", "digits", 1),
        grace.serving.delete("grace", "digits"),
        grace.serving.logs("grace", "digits"),
        grace.serving.events("grace", "digits"),
        grace.serving.versions("grace", "digits"),
        grace.ask(),
    ):
        with pytest.raises(NotFound):
            await verb
    with pytest.raises(InvalidRequest):
        await grace.deploy()
    await grace.served()
    await grace.clear()

    assert 200 == (await serving_place.ask()).status
    assert () == (await grace.serving.list("grace")).deployments
    assert 1 == len((await serving_place.serving.list("ada")).deployments)


async def test_a_delete(serving_place):
    """A deleted deployment is no more, its model stays, and its name is free."""
    await serving_place.served()
    await serving_place.serving.delete("ada", "digits")
    await serving_place.gone()
    with pytest.raises(NotFound):
        await serving_place.ask()
    with pytest.raises(NotFound):
        await serving_place.serving.delete("ada", "digits")
    await serving_place.deploy()
    again = await serving_place.ready()

    assert ["replica-1"] == [one.name for one in again.replicas]
    assert 1 == len(await serving_place.serving.versions("ada", "digits"))
