"""`Api` and `Mirror` on a real cluster: its words, its versions, its refusals.

``KUBECONFIG`` names the cluster. They say nothing of a cluster of several API servers, or of one in
trouble.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import JOBSETS, NODES, PODS, Kind
from dllab_hub.backends.kubernetes.mirror import Mirror
from dllab_hub.backends.kubernetes.trouble import Refused
from dllab_hub.errors import NotFound

KUBECONFIG, IMAGE = map(os.environ.get, ("KUBECONFIG", "DLLAB_TEST_IMAGE"))
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not KUBECONFIG, reason="KUBECONFIG names no cluster"),
]
_NAMESPACES = Kind("", "v1", "namespaces")
_ACCOUNTS = Kind("", "v1", "serviceaccounts")
CONFIGMAPS = Kind("", "v1", "configmaps")
POD_LOGS = Kind("", "v1", "pods/log")


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    api = await Api.connect(KUBECONFIG)
    yield api
    await api.close()


@pytest.fixture
async def space(api: Api) -> AsyncIterator[str]:
    """A namespace of its own."""
    name = f"dllab-api-{uuid.uuid4().hex[:8]}"
    await api.apply(_NAMESPACES, None, name, {"apiVersion": "v1", "kind": "Namespace"})
    yield name
    assert await api.delete(_NAMESPACES, None, name)


def config_map(**data: str) -> dict[str, Any]:
    """What the name and the namespace in the path make whole."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"labels": {"dllab-test": "yes"}},
        "data": data,
    }


async def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, "it did not become so"
        await asyncio.sleep(0.02)


async def test_objects(api: Api, space: str) -> None:
    """Applied twice it is one object; tried out it is none; another's name is not enough to go."""
    await api.apply(CONFIGMAPS, space, "a", config_map(by="us"), dry_run=True)
    assert await api.get(CONFIGMAPS, space, "a") is None

    first = await api.apply(CONFIGMAPS, space, "a", config_map(by="us"))
    again = await api.apply(CONFIGMAPS, space, "a", config_map(by="us"))
    other = await api.apply(CONFIGMAPS, space, "a", config_map(by="them"))

    assert first["metadata"] == again["metadata"]
    assert {"by": "them"} == other["data"]
    assert not await api.delete(CONFIGMAPS, space, "a", uid=str(uuid.uuid4()))
    assert await api.delete(CONFIGMAPS, space, "a", uid=first["metadata"]["uid"])
    for _ in range(100):  # First what belongs to it goes: the controllers look after that.
        if not await api.delete(CONFIGMAPS, space, "a"):
            break
        await asyncio.sleep(0.1)
    assert await api.get(CONFIGMAPS, space, "a") is None
    with pytest.raises(NotFound):
        await api.apply(CONFIGMAPS, "dllab-nowhere", "a", config_map())


async def test_a_list_in_pages(api: Api, space: str) -> None:
    """Several answers make one list."""
    for n in range(7):
        await api.apply(CONFIGMAPS, space, f"c{n}", config_map())
    api.page = 3

    found, version = await api.list(CONFIGMAPS, space, labels="dllab-test=yes")

    assert [f"c{n}" for n in range(7)] == [each["metadata"]["name"] for each in found]
    assert version.isdecimal()


async def test_what_is_wrong_with_it(api: Api, space: str) -> None:
    """The cluster's own sentence is handed on."""
    with pytest.raises(Refused) as caught:
        await api.apply(CONFIGMAPS, space, "a", {**config_map(), "data": {"not/a/key": "x"}})

    assert 422 == caught.value.answered
    assert "not/a/key" in str(caught.value)


async def test_a_mirror(api: Api, space: str) -> None:
    """What comes, changes, leaves the selection and goes is seen, with one watch."""
    changes: list[float] = []
    mirror = Mirror(
        api, CONFIGMAPS, space, labels="dllab-test", changed=lambda: changes.append(1.0)
    )
    await api.apply(CONFIGMAPS, space, "before", config_map(n="0"))
    mirror.start()
    try:
        assert await mirror.synced(30)
        assert [f"{space}/before"] == list(mirror.objects)
        for n in range(3):
            await api.apply(CONFIGMAPS, space, "a", config_map(n=str(n)))
        await until(lambda: mirror.objects.get(f"{space}/a", {}).get("data") == {"n": "2"})
        assert (True, "") == (mirror.live, mirror.trouble)
        await api.apply(CONFIGMAPS, space, "a", {**config_map(n="2"), "metadata": {}})
        await until(lambda: f"{space}/a" not in mirror.objects)
        await api.delete(CONFIGMAPS, space, "before")
        await until(lambda: not mirror.objects)
        # The list; three applied; one without its label; one marked and then gone.
        assert 7 == len(changes)
    finally:
        begun = time.monotonic()
        await mirror.close()
    assert time.monotonic() - begun < 1


async def test_watches_that_end(api: Api, space: str) -> None:
    """The server ends a watch in good order; the next one goes on, and nothing is listed again."""

    class Short(Mirror):
        watch = 1.0
        floor = 0.5

    mirror = Short(api, CONFIGMAPS, space)
    mirror.start()
    try:
        assert await mirror.synced(30)
        listed = mirror._listed
        await asyncio.sleep(3)
        await api.apply(CONFIGMAPS, space, "late", config_map())
        await until(lambda: f"{space}/late" in mirror.objects)
        assert mirror.live
        assert listed == mirror._listed
    finally:
        await mirror.close()


async def test_what_there_is(api: Api) -> None:
    """Kinds that every cluster has, and one that none has."""
    assert await api.serves(PODS)
    assert await api.serves(POD_LOGS)
    assert not await api.serves(Kind("", "v1", "towels"))
    assert not await api.serves(Kind("nowhere.example.org", "v1", "towels"))
    with pytest.raises(NotFound, match="nobody in the cluster knows how to list towels"):
        await api.list(Kind("nowhere.example.org", "v1", "towels"), None)


async def test_who_may_what(api: Api, space: str, tmp_path: Path) -> None:
    """A service account without a Role is told so, one whose token is not accepted as well."""
    assert await api.may("delete", JOBSETS, space)
    await api.apply(_ACCOUNTS, space, "nobody", {"apiVersion": "v1", "kind": "ServiceAccount"})
    path = f"{_ACCOUNTS.path(space, 'nobody')}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await api._ask("POST", path, "make a token", None, request)

    with_token = await connected_with(made["status"]["token"], tmp_path)
    assert not await with_token.may("list", PODS, space)
    assert not await with_token.may("get", POD_LOGS, space)
    with pytest.raises(Refused, match="may not list nodes in the cluster"):
        await with_token.list(NODES, None)
    mirror = Mirror(with_token, PODS, space)
    mirror.start()
    await until(lambda: "may not list pods" in mirror.trouble)
    await mirror.close()
    await with_token.close()

    stranger = await connected_with("nonsense", tmp_path)
    with pytest.raises(Refused, match="does not accept the token") as caught:
        await stranger.list(PODS, space)
    assert 401 == caught.value.answered
    await stranger.close()


async def connected_with(token: str, folder: Path) -> Api:
    """To the same cluster, as somebody else."""
    settings = yaml.safe_load(Path(str(KUBECONFIG)).read_text())
    for user in settings["users"]:
        user["user"] = {"token": token}
    (folder / "kubeconfig").write_text(yaml.safe_dump(settings))
    return await Api.connect(str(folder / "kubeconfig"))
