"""What every `Serving` promises about who may ask a deployment, run on each of them."""

from __future__ import annotations

import json

import pytest
from serving_place import ROWS

from dllab_hub.backends.admission import Asker
from dllab_hub.backends.calls import Call
from dllab_hub.errors import AccessDenied, DLLabError, InvalidRequest, NotFound
from dllab_hub.specs import Callers, KeyWish

GRACE = Asker("grace")


def asked(serving, asker, owner="ada", name="digits"):
    """A prediction by somebody else than the owner."""
    body = json.dumps({"instances": ROWS}).encode()
    headers = {"content-type": "application/json"}
    call = Call("POST", f"v1/models/{name}:predict", body, headers)
    return serving.call(owner, name, call, asker)


async def test_only_the_owner_may_ask_at_first(serving_place):
    """Nobody else is told even that it is there."""
    await serving_place.served()
    access = await serving_place.serving.access("ada", "digits")

    assert ("owner", ()) == (access.callers.who, access.keys)
    with pytest.raises(NotFound):
        await asked(serving_place.serving, GRACE)
    assert () == (await serving_place.serving.endpoints(GRACE)).endpoints


async def test_everyone(serving_place):
    """Whoever may use the lab may ask it, until it is closed again, and do nothing else to it."""
    await serving_place.served()
    serving = serving_place.serving
    opened = await serving.open_to("ada", "digits", Callers(who="everyone"))
    reply = await asked(serving, GRACE)
    (one,) = (await serving.endpoints(GRACE)).endpoints

    assert "everyone" == opened.callers.who
    assert {"predictions": ROWS} == json.loads(reply.body)
    assert ("ada", "digits", "digits", 1) == (one.owner, one.name, one.model, one.version)
    assert one.inputs
    with pytest.raises(NotFound):
        await serving.get("grace", "digits")
    await serving.open_to("ada", "digits", Callers())
    with pytest.raises(NotFound):
        await asked(serving, GRACE)


async def test_own_endpoints_by_page(serving_place):
    """One's own are among what one may ask, by name, page by page."""
    await serving_place.served()
    await serving_place.deploy(name="another")
    serving, ada = serving_place.serving, Asker("ada")
    first = await serving.endpoints(ada, limit=1)
    rest = await serving.endpoints(ada, limit=1, after=first.next)

    assert ["another"] == [one.name for one in first.endpoints]
    assert (["digits"], None) == ([one.name for one in rest.endpoints], rest.next)
    for limit, after in ((0, None), (501, None), (5, "x"), (5, "a/b/c")):
        with pytest.raises(InvalidRequest):
            await serving.endpoints(ada, limit=limit, after=after)


async def test_a_key_is_told_once(serving_place):
    """It is in the answer to the wish and nowhere else; it can be revoked, once."""
    await serving_place.served()
    serving = serving_place.serving
    made = await serving.make_key("ada", "digits", KeyWish(title="the shop", lifetime=3600))
    (known,) = (await serving.access("ada", "digits")).keys

    assert made.key.startswith(f"dlk_{made.id}_")
    assert made.key not in known.model_dump_json()
    assert (made.id, "the shop", None) == (known.id, known.title, known.used)
    assert known.expires == pytest.approx(known.created + 3600, abs=1)
    await serving.revoke_key("ada", "digits", made.id)
    assert () == (await serving.access("ada", "digits")).keys
    for id in (made.id, "nosuch", "../x", ""):
        with pytest.raises(NotFound):
            await serving.revoke_key("ada", "digits", id)


async def test_access_to_what_is_not_ones_own(serving_place):
    """Another person's deployment, and one that is not there, are opened by nobody."""
    await serving_place.served()
    serving = serving_place.serving
    for owner, name in (("grace", "digits"), ("ada", "nosuch"), ("ada", "../digits")):
        for verb in (
            serving.access(owner, name),
            serving.open_to(owner, name, Callers(who="everyone")),
            serving.make_key(owner, name, KeyWish(title="x")),
            serving.revoke_key(owner, name, "00000000"),
        ):
            with pytest.raises(NotFound):
                await verb


async def test_access_ends_with_the_deployment(serving_place):
    """Under the same name another one is its owner's only."""
    await serving_place.served()
    serving = serving_place.serving
    await serving.open_to("ada", "digits", Callers(who="everyone"))
    await serving.make_key("ada", "digits", KeyWish(title="x"))
    await serving.delete("ada", "digits")
    await serving_place.gone()
    await serving_place.deploy()
    access = await serving.access("ada", "digits")

    assert ("owner", ()) == (access.callers.who, access.keys)


async def test_access_stays_when_it_is_deployed_again(serving_place):
    """Another version, or more replicas, close it to nobody."""
    await serving_place.served()
    serving = serving_place.serving
    await serving.open_to("ada", "digits", Callers(who="groups", groups=("vision",)))
    made = await serving.make_key("ada", "digits", KeyWish(title="x"))
    await serving_place.publish()
    await serving_place.deploy(version=2)
    access = await serving.access("ada", "digits")

    assert ("vision",) == access.callers.groups
    assert [made.id] == [key.id for key in access.keys]


@pytest.mark.parametrize(
    "asker", [Asker(), Asker("grace", frozenset({"audio"})), Asker(key="dlk_00000000_x")]
)
async def test_who_is_not_of_the_group(serving_place, asker):
    """Of no group, of another one, and with a key that is none: each is refused."""
    await serving_place.served()
    serving = serving_place.serving
    await serving.open_to("ada", "digits", Callers(who="groups", groups=("vision",)))
    with pytest.raises(DLLabError) as caught:
        await asked(serving, asker)
    assert isinstance(caught.value, NotFound | AccessDenied)
