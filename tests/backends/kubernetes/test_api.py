"""Requests to an API server, against one on loopback (see `fake_api` for what that leaves open)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from fake_api import FakeApi

from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.connection import InPod
from dllab_hub.backends.kubernetes.kinds import EVENTS, JOBSETS, NODES, PODS, Kind
from dllab_hub.backends.kubernetes.trouble import Absent, Conflicting, Gone, Refused, Unreachable
from dllab_hub.errors import Conflict, DLLabError, Unavailable

CONFIGMAPS = Kind("", "v1", "configmaps")
POD_LOGS = Kind("", "v1", "pods/log")


def thing(name: str, **meta: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "labs", "name": name, **meta}, "data": {"by": name}}


# Reaching it.


@pytest.mark.parametrize("text", [None, "", "{", "apiVersion: v1\nkind: Config\n"])
async def test_a_kubeconfig_of_no_use(tmp_path: Path, text: str | None) -> None:
    """The administrator is told, before anything is asked of the cluster."""
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text)

    with pytest.raises(Unavailable, match=r"does not know how to reach its cluster.*kubeconfig"):
        await Api.connect(str(file))


async def test_another_context(fake: FakeApi, tmp_path: Path) -> None:
    """The context that is named is the one that is used."""
    file = fake.kubeconfig(tmp_path / "kubeconfig")
    file.write_text(file.read_text().replace("current-context: fake", "current-context: other"))
    with pytest.raises(Unavailable):
        await Api.connect(str(file))

    api = await Api.connect(str(file), "fake")

    assert ([], "1000") == await api.list(PODS, None)
    await api.close()


async def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account's token goes with each request over TLS, and so does its successor."""
    context, cert = self_signed(tmp_path, "127.0.0.1")
    token = tmp_path / "token"
    token.write_text("first")
    (tmp_path / "ca.crt").write_bytes(cert.read_bytes())
    monkeypatch.setattr(InPod, "account", tmp_path)
    monkeypatch.setattr(InPod, "fresh", 0.0)
    async with FakeApi((context, cert)) as fake:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", fake.url.rpartition(":")[2])
        fake.token = "first"
        api = await Api.connect()
        await api.list(PODS, None)
        token.write_text("second")
        fake.token = "second"
        await api.list(PODS, None)

        token.write_text("")
        with pytest.raises(Unreachable, match=r"token .* cannot be read"):
            await api.list(PODS, None)
        await api.close()


async def test_no_service_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod without a token is told from a cluster that does not answer."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    monkeypatch.setattr(InPod, "account", Path("/nowhere"))

    with pytest.raises(Unavailable, match="how to reach its cluster"):
        await Api.connect()


async def test_a_certificate_of_somebody_else(tmp_path: Path) -> None:
    """A server that is not the one of the kubeconfig gets no token."""
    context, _ = self_signed(tmp_path, "127.0.0.1")
    (tmp_path / "other").mkdir()
    _, other = self_signed(tmp_path / "other", "127.0.0.1")
    async with FakeApi((context, other)) as fake:
        api = await Api.connect(str(fake.kubeconfig(tmp_path / "kubeconfig")))

        with pytest.raises(Unreachable, match=r"certificate .* is not one that the lab trusts"):
            await api.list(PODS, None)

        assert [] == fake.requests
        await api.close()


# What it does.


async def test_a_list_in_pages(fake: FakeApi, api: Api) -> None:
    """All of it, as of one moment, however many answers it takes."""
    for n in range(25):
        fake.put(CONFIGMAPS, thing(f"c{n:02}", labels={"odd": str(n % 2)}))
    fake.put(CONFIGMAPS, {"metadata": {"namespace": "other", "name": "z"}})
    api.page = 10

    items, version = await api.list(CONFIGMAPS, "labs")

    assert [f"c{n:02}" for n in range(25)] == [item["metadata"]["name"] for item in items]
    assert str(fake.store.version) == version
    assert 3 == len(fake.asked("list"))
    assert 26 == len((await api.list(CONFIGMAPS, None))[0])
    assert 12 == len((await api.list(CONFIGMAPS, "labs", labels="odd=1"))[0])
    assert 1 == len((await api.list(CONFIGMAPS, None, fields="metadata.name=z"))[0])


async def test_a_list_that_expires_half_way(fake: FakeApi, api: Api) -> None:
    """It begins again once, and then says so."""
    for n in range(4):
        fake.put(CONFIGMAPS, thing(f"c{n}"))
    api.page = 2
    pages = api.pages(CONFIGMAPS, "labs")
    async with aclosing(pages):
        await anext(pages)
        fake.fail("list", 410)
        with pytest.raises(Gone):
            await anext(pages)

    fake.fail("list", 410)
    assert 4 == len((await api.list(CONFIGMAPS, "labs"))[0])

    fake.fail("list", 410, times=2)
    with pytest.raises(Gone):
        await api.list(CONFIGMAPS, "labs")


async def test_an_object_comes_and_goes(fake: FakeApi, api: Api) -> None:
    """Made, read, changed and removed; what others wrote into it stays."""
    assert await api.get(CONFIGMAPS, "labs", "a") is None
    made = await api.apply(CONFIGMAPS, "labs", "a", thing("a"))
    fake.put(CONFIGMAPS, {**made, "status": {"theirs": 1}})
    await api.apply(CONFIGMAPS, "labs", "a", {**thing("a"), "data": {"by": "b"}})

    found = await api.get(CONFIGMAPS, "labs", "a")

    assert found is not None
    assert ({"theirs": 1}, {"by": "b"}) == (found["status"], found["data"])
    assert made["metadata"]["uid"] == found["metadata"]["uid"]
    asked = fake.asked("apply")[0]
    assert {"fieldManager": "dllab-hub", "force": "true"} == asked.query
    assert "application/apply-patch+yaml" == asked.headers["Content-Type"]
    assert "Bearer a-token" == asked.headers["Authorization"]
    assert await api.delete(CONFIGMAPS, "labs", "a")
    assert not await api.delete(CONFIGMAPS, "labs", "a")
    assert {"propagationPolicy": "Foreground"} == fake.asked("delete")[0].body


async def test_only_asking(fake: FakeApi, api: Api) -> None:
    """A dry run passes the server's rules and leaves nothing behind."""
    made = await api.apply(CONFIGMAPS, "labs", "a", thing("a"), dry_run=True)

    assert {"by": "a"} == made["data"]
    assert {} == fake.objects
    assert "All" == fake.asked("apply")[0].query["dryRun"]


async def test_a_connection_that_lay_idle(fake: FakeApi, api: Api) -> None:
    """A question is put once more when the server has closed it meanwhile; a command is not."""
    await api.list(PODS, None)
    fake.fail("get", "reset")
    assert await api.get(PODS, "labs", "p") is None

    fake.fail("get", "reset", times=2)
    with pytest.raises(Unreachable):
        await api.get(PODS, "labs", "p")
    fake.fail("apply", "reset")
    with pytest.raises(Unreachable):
        await api.apply(PODS, "labs", "p", thing("p"))
    assert (4, 1) == (len(fake.asked("get")), len(fake.asked("apply")))


async def test_only_this_one_is_removed(fake: FakeApi, api: Api) -> None:
    """A successor under the same name is somebody else's."""
    first = fake.put(CONFIGMAPS, thing("a"))["metadata"]["uid"]
    fake.remove(CONFIGMAPS, "labs", "a")
    second = fake.put(CONFIGMAPS, thing("a"))["metadata"]["uid"]

    assert not await api.delete(CONFIGMAPS, "labs", "a", uid=first)
    assert fake.get(CONFIGMAPS, "labs", "a") is not None
    assert await api.delete(CONFIGMAPS, "labs", "a", uid=second)


async def test_a_reply_that_is_lost(fake: FakeApi, api: Api) -> None:
    """Whoever asks again has made one object, not two (the first half of row 23)."""
    fake.fail("apply", "lost")
    with pytest.raises(Unreachable):
        await api.apply(JOBSETS, "labs", "job-1", thing("job-1"))
    stored = fake.get(JOBSETS, "labs", "job-1")
    assert stored is not None

    again = await api.apply(JOBSETS, "labs", "job-1", thing("job-1"))

    assert stored["metadata"]["uid"] == again["metadata"]["uid"]
    assert [("jobsets", "labs", "job-1")] == list(fake.objects)


async def test_killed_in_the_middle(fake: FakeApi, api: Api, tmp_path: Path) -> None:
    """A service that is killed before it hears that the object is made makes no second (row 8)."""
    code = f"""
import asyncio
from dllab_hub.backends.kubernetes.api import Api
from dllab_hub.backends.kubernetes.kinds import JOBSETS

async def main():
    api = await Api.connect({str(tmp_path / "kubeconfig")!r})
    await api.apply(JOBSETS, "labs", "job-1", {{"metadata": {{}}}})

asyncio.run(main())
"""
    fake.fail("apply", "unsaid")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        for _ in range(1500):
            if fake.objects:
                break
            await asyncio.sleep(0.02)
    finally:
        process.kill()
        await process.wait()
    stored = fake.get(JOBSETS, "labs", "job-1")
    assert stored is not None

    again = await api.apply(JOBSETS, "labs", "job-1", {"metadata": {}})

    assert stored["metadata"]["uid"] == again["metadata"]["uid"]
    assert [("jobsets", "labs", "job-1")] == list(fake.objects)


async def test_what_is_there_and_what_is_allowed(fake: FakeApi, api: Api) -> None:
    """A kind that is not installed and a verb that is not granted are known beforehand."""
    assert await api.serves(JOBSETS)
    assert await api.serves(PODS)
    fake.unserved = {"jobsets"}
    assert not await api.serves(JOBSETS)
    fake.unserved = {"jobsets", "workloads", "jobs", "localqueues"}
    assert not await api.serves(JOBSETS)
    with pytest.raises(Absent, match="nobody in the cluster knows how to list jobsets"):
        await api.list(JOBSETS, "labs")

    fake.denied = {("list", "nodes"), ("get", "pods/log")}
    assert [True, False, False] == [
        await api.may("list", PODS, "labs"),
        await api.may("list", NODES, None),
        await api.may("get", POD_LOGS, "labs"),
    ]


# What it says.

ERRORS: list[tuple[int, type[DLLabError], str]] = [
    (400, Refused, "the cluster refused to get pods: no such luck"),
    (401, Refused, "does not accept the token of the lab's service account.*administrator"),
    (403, Refused, "refused to get pods: no such luck"),
    (409, Conflicting, "somebody else changed this"),
    (410, Gone, "forgotten"),
    (422, Refused, "refused to get pods: no such luck"),
    (429, Unreachable, "cannot answer now"),
    (500, Unreachable, "cannot answer now"),
    (503, Unreachable, "cannot answer now"),
]


@pytest.mark.parametrize(("status", "kind", "says"), ERRORS)
async def test_errors(fake: FakeApi, api: Api, status: int, kind: type[Refused], says: str) -> None:
    """A sentence for people; what the server said beside it, and never its status as ours."""
    fake.fail("get", status, said="no such luck", retry_after=7)

    with pytest.raises(kind, match=says) as caught:
        await api.get(PODS, "labs", "p")

    assert (status, "no such luck", 7.0) == (
        caught.value.answered,
        caught.value.said,
        caught.value.retry_after,
    )
    assert caught.value.status == (409 if kind is Conflicting else 503)
    assert isinstance(caught.value, Conflict if kind is Conflicting else Unavailable)


async def test_what_the_role_lacks(fake: FakeApi, api: Api) -> None:
    """The verb and the kind that are not granted are named."""
    fake.denied = {("list", "nodes")}

    with pytest.raises(Refused, match=r"may not list nodes in the cluster\. .*Role") as caught:
        await api.list(NODES, None)

    assert ("Forbidden", 403) == (caught.value.reason, caught.value.answered)
    assert caught.value.unwelcome


@pytest.mark.parametrize(
    ("status", "said", "unwelcome"),
    [
        (401, "Unauthorized", True),
        (403, 'admission webhook "vjobset" denied the request: it cannot be changed', False),
        (403, 'jobsets "a" is forbidden: exceeded quota: gpus', False),
        (422, "replicas: Invalid value", False),
    ],
)
async def test_who_is_to_blame(
    fake: FakeApi, api: Api, status: int, said: str, unwelcome: bool
) -> None:
    """An object that breaks a rule is told from a service that is not let in."""
    fake.fail("apply", status, said=said)

    with pytest.raises(Refused) as caught:
        await api.apply(JOBSETS, "labs", "a", {})

    assert unwelcome == caught.value.unwelcome
    assert unwelcome or said in str(caught.value)


@pytest.mark.parametrize("how", ["reset", "hang", "refuse"])
async def test_no_answer(fake: FakeApi, api: Api, how: str) -> None:
    """Whichever way it does not come, the wait has an end."""
    api.timeout = 0.3
    begun = time.monotonic()
    async with fake.outage(how):
        for ask in (api.list(PODS, None), api.get(PODS, "labs", "p"), follow(api)):
            with pytest.raises(Unreachable) as caught:
                await ask
            assert 0 == caught.value.answered
    assert time.monotonic() - begun < 5


async def follow(api: Api, **query: Any) -> list[tuple[str, dict[str, Any]]]:
    found = []
    events = api.watch(EVENTS, "labs", **{"since": "1000", "seconds": 1, **query})
    async with aclosing(events):
        async for event in events:
            found.append(event)
    return found


async def test_an_answer_that_is_no_json(api: Api) -> None:
    """Something between us and the server answers in its place: as if nobody did."""

    async def portal(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(portal, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        api._connection._host = f"http://127.0.0.1:{port}"
        for ask in (api.list(PODS, None), follow(api)):
            with pytest.raises(Unreachable):
                await ask


# Watching.


async def test_a_watch(fake: FakeApi, api: Api) -> None:
    """What was since, then what is; it ends when its time is over."""
    fake.put(EVENTS, thing("a"))
    since = str(fake.store.version)
    fake.put(EVENTS, thing("b"))
    fake.put(EVENTS, {**thing("c"), "message": "long " * 500_000})
    fake.bookmarks = 0.4
    told: list[bool] = []

    found = await follow(api, since=since, opened=lambda: told.append(True))

    assert ["ADDED b", "ADDED c"] == [
        f"{type_} {obj['metadata']['name']}" for type_, obj in found if type_ != "BOOKMARK"
    ]
    assert "BOOKMARK" in {type_ for type_, _ in found}
    assert [True] == told


@pytest.mark.parametrize(
    ("how", "kind"), [("event-410", Gone), (410, Gone), ("event-500", Unreachable), (403, Refused)]
)
async def test_a_watch_that_fails(
    fake: FakeApi, api: Api, how: int | str, kind: type[Exception]
) -> None:
    """As a status or as an event, it is the same error."""
    fake.fail("watch", how)

    with pytest.raises(kind):
        await follow(api)


async def test_a_version_of_the_future(fake: FakeApi, api: Api) -> None:
    """A server that was restored from a backup has never heard of it: list again."""
    body = {"details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}, "code": 504}

    async def restored(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 504 Timeout\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(restored, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        api._connection._host = f"http://127.0.0.1:{port}"
        with pytest.raises(Gone):
            await follow(api)


async def test_a_watch_left_early(fake: FakeApi, api: Api) -> None:
    """Nothing stays open on the server's side."""
    fake.put(EVENTS, thing("a"))
    events = api.watch(EVENTS, "labs", since="1000", seconds=300)
    async with aclosing(events):
        assert "ADDED" == (await anext(events))[0]
        assert 1 == len(fake.store.watchers)

    for _ in range(100):
        if not fake.store.watchers:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the watch is still open")
