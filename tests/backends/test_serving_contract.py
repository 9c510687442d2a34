"""What every `Serving` promises, run on each of them."""

from __future__ import annotations

import asyncio
import json

import pytest
from serving_place import ROWS, ServingPlace, until

from dllab_hub.backends.calls import Call
from dllab_hub.backends.serving import Serving
from dllab_hub.errors import Conflict, InvalidRequest, NotFound
from dllab_hub.specs import Autoscale, Canary, DeploymentState, ReplicaState

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
        serving_place.serving.canary("ada", name, Canary(version=1)),
        serving_place.serving.promote("ada", name),
        serving_place.serving.rollback("ada", name),
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
    """Every replica has a log, in pieces, and so has a balancer; another one is not there."""
    ready = await serving_place.served(2)
    serving, (first, last) = serving_place.serving, (one.name for one in ready.replicas)

    async def said():
        return (await serving.logs("ada", "digits", replica=first)).text

    whole = await until(said)
    cut = await serving.logs("ada", "digits", replica=first, offset=2, limit=5)
    newest = await serving.logs("ada", "digits")
    if serving_place.balanced:
        await serving.logs("ada", "digits", replica="balancer")
    for name in ("replica-3", f"../{first}"):
        with pytest.raises(NotFound):
            await serving.logs("ada", "digits", replica=name)
    with pytest.raises(InvalidRequest):
        await serving.logs("ada", "digits", limit=0)

    assert "digits" in whole
    assert (whole[2:7], 2, 7) == (cut.text, cut.offset, cut.next_offset)
    assert last == newest.replica


async def test_another_persons_things(serving_place, grace):
    """Of another person there is nothing; equal names do not meet."""
    await serving_place.served()
    for verb in (
        grace.get(),
        grace.serving.scale("grace", "digits", 1),
        grace.serving.canary("grace", "digits", Canary(version=2)),
        grace.serving.promote("grace", "digits"),
        grace.serving.rollback("grace", "digits"),
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

    (replica,) = again.replicas
    assert replica.name.startswith("replica-")
    assert 1 == len(await serving_place.serving.versions("ada", "digits"))


async def test_what_lives(serving_place, grace):
    """The service itself knows everybody's deployments."""
    if not isinstance(serving_place.serving, Serving):
        pytest.skip("a person's way to the service has only what is theirs")
    for place in (serving_place, grace):
        await place.publish()
        await place.deploy()

    live = await serving_place.serving.live()
    assert ["ada", "grace"] == sorted(deployment.owner for deployment in live)


async def seen_by(place: ServingPlace, count: int, version: int | None = None) -> list[str]:
    """Versions that answered so many requests, all of them with 200."""
    replies = [await place.ask(version=version) for _ in range(count)]
    assert {200} == {reply.status for reply in replies}
    return [reply.headers["x-model-version"] for reply in replies]


@pytest.fixture
async def two(serving_place):
    """A ready ``digits`` of version 1, whose model has two versions more."""
    await serving_place.served()
    await serving_place.publish()
    await serving_place.publish()
    return serving_place


class TestCanary:
    """A part of the requests goes to another version."""

    async def test_its_part(self, two):
        """By lot the canary gets its part, and both versions say what they have done."""
        made = await two.canary(percent=50)
        now = await two.beside(2)
        seen = await seen_by(two, 60)

        async def counted():
            there = (await two.get()).versions
            return there if sum(each.requests for each in there) >= 60 else None

        told = await until(counted)
        assert (1, 2, 50) == (made.version, made.canary.version, made.canary.percent)
        assert [(1, 50), (2, 50)] == [(each.version, each.percent) for each in now.versions]
        assert {1, 2} == {one.version for one in now.replicas}
        assert {"1", "2"} == set(seen)
        assert [seen.count("1"), seen.count("2")] == [each.requests for each in told]
        for each in told:
            assert 0 == each.failed
            assert 0 < each.p50 <= each.p95 <= each.p99

    async def test_one_that_is_there_to_be_compared(self, two):
        """With 0 percent it answers those alone who ask for its version; so does the other one."""
        await two.canary(percent=0)
        await two.beside(2)

        assert ["1"] * 20 == await seen_by(two, 20)
        assert ["2"] * 5 == await seen_by(two, 5, version=2)
        assert ["1"] * 5 == await seen_by(two, 5, version=1)

    async def test_a_version_that_does_not_serve(self, two):
        """Asking for it is refused with the field, canary or not; the one that serves answers."""
        assert ["1"] == await seen_by(two, 1, version=1)
        for asked in (2, 99):
            with pytest.raises(InvalidRequest) as caught:
                await two.ask(version=asked)
            assert "version" == caught.value.field
        await two.canary()
        await two.beside(2)
        with pytest.raises(InvalidRequest) as caught:
            await two.ask(version=3)

        assert "version" == caught.value.field

    async def test_again(self, two):
        """The same version gets another part; another version takes its place."""
        await two.canary(percent=10)
        more = await two.canary(percent=99)
        assert (2, 99) == (more.canary.version, more.canary.percent)
        await two.canary(3, percent=0)
        now = await two.beside(3)
        await two.only(1, 3)

        assert [(1, 100), (3, 0)] == [(each.version, each.percent) for each in now.versions]
        assert ["3"] * 3 == await seen_by(two, 3, version=3)

    async def test_more_replicas(self, two):
        """It has as many replicas as are wished for; those of the other version stay."""
        await two.canary(replicas=2)
        await two.beside(2, replicas=2)
        await two.canary(replicas=1)

        async def fewer():
            now = await two.get()
            return [1, 2] == sorted(one.version for one in now.replicas)

        await until(fewer)
        assert 1 == (await two.get()).wished

    async def test_versions_that_cannot_be_one(self, two):
        """One that serves already is a conflict, one that does not exist is wrong; all goes on."""
        with pytest.raises(Conflict):
            await two.canary(1)
        with pytest.raises(InvalidRequest) as caught:
            await two.canary(4)

        assert "version" == caught.value.field
        assert (None, 1) == ((now := await two.get()).canary, now.version)
        assert ["1"] * 3 == await seen_by(two, 3)

    async def test_deploying_ends_it(self, two):
        """A wish under the name is for all requests; what served before can be brought back."""
        await two.canary()
        await two.beside(2)
        await two.deploy(version=3)
        now = await two.ready()
        await two.only(3)

        assert (3, None, 1) == (now.version, now.canary, now.previous)
        assert ["3"] * 10 == await seen_by(two, 10)


class TestPromoteAndRollback:
    """What becomes of a canary, and the way back."""

    async def test_promoting(self, two):
        """The canary's version answers everything; the number of replicas stays what it was."""
        await two.serving.scale("ada", "digits", 2)
        await two.ready()
        await two.canary()
        await two.beside(2)
        made = await two.serving.promote("ada", "digits")
        await two.ready()
        now = await two.only(2)

        assert (2, 2, None, 1) == (made.version, made.spec.version, made.canary, made.previous)
        assert [2, 2] == [one.version for one in now.replicas]
        assert ["2"] * 10 == await seen_by(two, 10)

    async def test_ending_a_canary(self, two):
        """Rolled back, the canary answers nothing more and the version before is not touched."""
        await two.canary(percent=50)
        await two.beside(2)
        made = await two.serving.rollback("ada", "digits")
        await two.only(1)

        assert (1, None, None) == (made.version, made.canary, made.previous)
        assert ["1"] * 10 == await seen_by(two, 10)

    async def test_back_and_forth(self, two):
        """Without a canary the version before serves again; rolling back once more is forward."""
        await two.deploy(version=2)
        assert 1 == (await two.ready()).previous
        back = await two.serving.rollback("ada", "digits")
        await two.ready()
        await two.only(1)
        assert (1, 1, 2) == (back.version, back.spec.version, back.previous)
        assert ["1"] * 5 == await seen_by(two, 5)
        again = await two.serving.rollback("ada", "digits")
        await two.ready()
        await two.only(2)

        assert (2, 1) == (again.version, again.previous)
        assert ["2"] * 5 == await seen_by(two, 5)

    async def test_more_of_the_same_version(self, two):
        """A wish that changes no version changes nothing about the way back."""
        await two.deploy(version=2)
        await two.deploy(2, version=2)

        assert 1 == (await two.ready()).previous

    async def test_another_model(self, two):
        """There is no way back to a version of another model."""
        await two.publish("letters")
        await two.deploy(model="letters")
        now = await two.ready()

        assert (1, None) == (now.version, now.previous)
        with pytest.raises(Conflict):
            await two.serving.rollback("ada", "digits")

    async def test_nothing_to_promote_or_to_go_back_to(self, serving_place):
        """Without a canary and a version before, both are conflicts, and what serves goes on."""
        await serving_place.served()
        for verb in (serving_place.serving.promote, serving_place.serving.rollback):
            with pytest.raises(Conflict):
                await verb("ada", "digits")

        assert 200 == (await serving_place.ask()).status

    async def test_they_are_told(self, two):
        """Each of them is an event."""
        before = len(await two.serving.events("ada", "digits"))
        await two.canary()
        await two.beside(2)
        told = await two.serving.events("ada", "digits")
        await two.serving.promote("ada", "digits")
        after = await two.serving.events("ada", "digits")

        assert before < len(told) < len(after)


class TestAutoscale:
    """The number of replicas follows the load, between two bounds."""

    async def test_its_bounds(self, serving_place):
        """What is wished for at first, and by hand, lies between the bounds."""
        await serving_place.publish()
        bounds = Autoscale(min=1, max=3)
        made = await serving_place.deploy(autoscale=bounds)
        await serving_place.ready()
        more = await serving_place.serving.scale("ada", "digits", 3)
        with pytest.raises(InvalidRequest) as caught:
            await serving_place.serving.scale("ada", "digits", 4)

        assert (bounds, 1, 3) == (made.spec.autoscale, made.wished, more.wished)
        assert "replicas" == caught.value.field
        assert bounds == (await serving_place.get()).spec.autoscale

    async def test_more_than_one_at_first(self, serving_place):
        """A wish for fewer than the least is for the least."""
        await serving_place.publish()
        await serving_place.deploy(autoscale=Autoscale(min=2, max=3))

        assert (2, 2) == ((now := await serving_place.ready()).wished, now.ready)

    async def test_an_end(self, serving_place):
        """Deployed without bounds it is what is wished for again, whatever number that is."""
        await serving_place.publish()
        await serving_place.deploy(autoscale=Autoscale(max=2))
        await serving_place.deploy()
        await serving_place.ready()

        assert 3 == (await serving_place.serving.scale("ada", "digits", 3)).wished
