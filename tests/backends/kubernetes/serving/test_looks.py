"""What is seen of a deployment: by what is there, and by nothing that is another's."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from mirrored import until
from model_answers import MakeAnswers
from played_serving import (
    ASK,
    HOST,
    OTHER,
    WISH,
    PlayedServing,
    crashing,
    eventually,
    remove_pods,
    told,
)
from servings import OWNER

from dllab_hub.backends.admission import Asker
from dllab_hub.backends.kubernetes.kinds import DEPLOYMENTS
from dllab_hub.backends.kubernetes.trouble import Refused
from dllab_hub.errors import Conflict, NotFound, Unavailable
from dllab_hub.manifests.served import object_name
from dllab_hub.specs import Callers, DeploymentState


async def test_states_are_told_from_what_is_there(played: PlayedServing) -> None:
    """A pod that starts, answers, does not any more; each with its event, told once."""
    async with played.service() as serving:
        await serving.deploy("ada", WISH)
        await until(lambda: played.work())
        (name,) = played.roll([HOST], ready=False)
        seen = await played.state_of(serving, DeploymentState.STARTING)
        await eventually(lambda: played.has(serving, replicas=1))
        (name,) = played.roll([HOST])
        seen = await played.state_of(serving, DeploymentState.READY)
        assert (1, (name,)) == (seen.ready, tuple(one.name for one in seen.replicas))
        waits = crashing()
        (bad,) = played.roll([HOST], ready=False, container=waits)
        seen = await played.state_of(serving, DeploymentState.FAILED)
        assert bad in seen.reason
        for _ in range(3):
            await serving.get("ada", "digits")
        reasons = await told(serving)

    assert 1 == reasons.count("ReplicaReady")
    assert 1 == reasons.count("ReplicaFailed")
    assert 3 == reasons.count("ReplicaStarted")
    assert 2 == reasons.count("ReplicaEnded")


@pytest.mark.parametrize(
    "forged",
    [
        {"notes": {"dllab-hub/owner": "grace"}},
        {"labels": {"dllab-hub/owner": "grace"}},
        {"labels": {"dllab-hub/version": "none"}},
        {"labels": {"dllab-hub/deployment": "others"}},
    ],
)
async def test_a_pod_that_is_none_of_its(
    played: PlayedServing, servers: MakeAnswers, forged: dict[str, Any]
) -> None:
    """A pod with some of its marks, and not all of them, is neither shown nor asked."""
    one, other = await servers(HOST), await servers(OTHER)
    async with played.service() as serving:
        await played.ready(serving, WISH)
        work = played.found()
        played.pod(work, "forge", OTHER, **forged)
        await asyncio.sleep(0.1)
        seen = await serving.get("ada", "digits")
        assert (1, 1) == (len(seen.replicas), seen.ready)
        for _ in range(8):
            await serving.call("ada", "digits", ASK)
    assert (8, 0) == (len(one.asked), len(other.asked))


async def test_news_of_one_are_not_lost_by_a_look_at_another(played: PlayedServing) -> None:
    """Whoever looks at one deployment all the time does not keep others from hearing theirs."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        other = WISH.model_copy(update={"name": "other"})
        await played.ready(serving, other, [OTHER])
        looks = True

        async def look() -> None:
            while looks:
                await serving.get("ada", "other")
                await asyncio.sleep(0)

        looking = asyncio.create_task(look())
        began = time.monotonic()
        played.fake.remove(DEPLOYMENTS, played.space, object_name("ada", "digits"))
        await until(lambda: played.work() is not None, 3)
        looks = False
        await looking
        assert time.monotonic() - began < 1


async def test_what_happened_while_half_was_known(played: PlayedServing) -> None:
    """News of pods that come while nothing is heard of Deployments are told when all is known."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        copies = serving._copies
        assert copies is not None
        lost = copies._deployments
        lost._lose(float("-inf"))
        (name,) = played.roll([OTHER])
        await eventually(lambda: played.has(serving, replica=name))
        assert "ReplicaEnded" not in await told(serving)
        lost._well()
        await serving.get("ada", "digits")
        reasons = await told(serving)
    assert (2, 1) == (reasons.count("ReplicaReady"), reasons.count("ReplicaEnded"))


async def test_logs(played: PlayedServing) -> None:
    """Those of a replica's container, a piece at a time; of one that is not there it is said."""
    async with played.service() as serving:
        (replica,) = (await played.ready(serving, WISH)).replicas
        pod = f"{object_name('ada', 'digits')}-{replica.name.removeprefix('replica-')}"
        played.fake.logs[pod] = b"one\ntwo\nthree\n"
        chunk = await serving.logs("ada", "digits")
        assert ("one\ntwo\nthree\n", replica.name) == (chunk.text, chunk.replica)
        assert "three\n" == (await serving.logs("ada", "digits", offset=-6)).text
        assert "two\nthree\n" == (await serving.logs("ada", "digits", offset=4)).text
        with pytest.raises(NotFound, match=replica.name):
            await serving.logs("ada", "digits", replica="replica-zzzzz")


async def test_pieces_of_a_log(played: PlayedServing) -> None:
    """A piece is not the end while there is more; one that was begun anew is read from there; one
    of a container that waits to start is empty.
    """
    async with played.service() as serving:
        await played.ready(serving, WISH)
        desk: Any = serving._live["ada", "digits"].controller
        (pod,) = [one["metadata"]["name"] for one in desk.there.pods]
        played.fake.logs[pod] = b"x" * 100
        piece = await serving.logs("ada", "digits", offset=0, limit=10)
        assert (10, False) == (piece.next_offset, piece.size <= piece.next_offset)
        played.fake.logs[pod] = b"anew\n"
        anew = await serving.logs("ada", "digits", offset=50)
        assert (0, "anew\n") == (anew.offset, anew.text)

        async def waits(*_: Any, **__: Any) -> bytes:
            raise Refused("no", answered=400, said="is waiting to start: ContainerCreating")

        assert serving._api is not None
        serving._api.log = waits  # type: ignore[method-assign]
        assert "" == (await serving.logs("ada", "digits")).text


async def test_nobody_elses(played: PlayedServing) -> None:
    """Of two people whose names make similar labels each has a deployment of the same name."""
    played.publish(1, owner=OWNER)
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await serving.deploy(OWNER, WISH)
        await until(lambda: played.work(owner=OWNER))
        played.roll([OTHER], owner=OWNER)
        await eventually(lambda: played.has(serving, owner=OWNER, ready=1))
        assert {"ada", OWNER} == {one.owner for one in await serving.live()}
        await serving.delete(OWNER, "digits")
        await until(lambda: played.work(owner=OWNER) is None)
        assert DeploymentState.READY is (await serving.get("ada", "digits")).state
        assert played.there()["stable"] == {"deployments", "services"}


async def test_why_a_replica_waits(played: PlayedServing) -> None:
    """What the cluster says of a pod is the deployment's reason; of another's pod it is not."""
    async with played.service() as serving:
        await serving.deploy("ada", WISH)
        await until(lambda: played.work())
        work = played.found()
        name = f"{work['metadata']['name']}-waits"
        starts = {"name": "model", "state": {"waiting": {"reason": "ContainerCreating"}}}
        placed = [{"type": "PodScheduled", "status": "True"}]
        status = {"phase": "Pending", "conditions": placed, "containerStatuses": [starts]}
        played.pod(work, "waits", HOST, status=status)
        played.event("Pod", "somebody-elses", "FailedMount", "it is not found")
        played.event("Pod", name, "FailedMount", "MountVolume.SetUp failed: connection refused")
        said = "Its storage does not answer."
        seen = await eventually(lambda: played.has(serving, replica="replica-waits", reason=said))
        assert DeploymentState.STARTING is seen.state


async def test_what_the_cluster_refuses_later(played: PlayedServing) -> None:
    """What it takes in a try and not in earnest is told in its words, and tried again."""
    said = 'deployments.apps "x" is forbidden: exceeded quota: models'
    async with played.service() as serving:
        settler = serving._settler
        assert settler is not None
        apply = settler._apply

        async def refused(one: Any, *, dry_run: bool = False) -> None:
            if not dry_run:
                played.fake.fail("apply", 403, kind=DEPLOYMENTS, said=said)
            await apply(one, dry_run=dry_run)

        settler._apply = refused  # type: ignore[method-assign]
        await serving.deploy("ada", WISH)
        seen = await played.state_of(serving, DeploymentState.FAILED)
        assert f"the cluster refuses it: {said}" == seen.reason
        with pytest.raises(Unavailable, match="exceeded quota"):
            await serving.call("ada", "digits", ASK)
        # Of the cluster's quotas nobody learns who may only ask.
        await serving.open_to("ada", "digits", Callers(who="everyone"))
        with pytest.raises(Unavailable, match="does not answer now") as told_others:
            await serving.call("ada", "digits", ASK, Asker("grace"))
        assert "quota" not in str(told_others.value)
        settler._apply = apply  # type: ignore[method-assign]
        await until(lambda: played.work())
        played.roll([HOST])
        assert not (await played.state_of(serving, DeploymentState.READY)).reason


async def test_a_record_that_is_gone(played: PlayedServing, servers: MakeAnswers) -> None:
    """It is said which; what answers goes on, and the deployment can be ended."""
    await servers(HOST)
    async with played.service() as serving:
        await played.ready(serving, WISH)
    (played.state.models / "ada" / "digits" / "1" / "model.json").unlink()
    async with played.service() as serving:
        said = "the record of version 1 of digits is damaged or gone"
        seen = await eventually(lambda: played.has(serving, reason=said))
        assert DeploymentState.FAILED is seen.state
        assert 200 == (await serving.call("ada", "digits", ASK)).status
        await serving.delete("ada", "digits")
        await until(lambda: played.work() is None)
        remove_pods(played)
        await played.gone(serving)


async def test_a_directory_that_is_damaged(played: PlayedServing) -> None:
    """One that cannot be taken over keeps no other from being looked after."""
    async with played.service() as serving:
        await played.ready(serving, WISH)
        await played.ready(serving, WISH.model_copy(update={"name": "other"}), [OTHER])
    (played.state.deployments / "ada" / "other" / "deployment.json").write_text("{")
    async with played.service() as serving:
        await played.state_of(serving, DeploymentState.READY)
        assert ["digits"] == [one.name for one in (await serving.list("ada")).deployments]
        with pytest.raises(Conflict, match="is damaged"):
            await serving.deploy("ada", WISH.model_copy(update={"name": "other"}))
    assert played.work("other")
