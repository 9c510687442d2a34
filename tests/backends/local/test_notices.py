"""Notices of real jobs, to real receivers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from certificates import self_signed
from receivers import Hook, Mailbox, hook, mailbox

from dllab_hub.backends.local.notices import webhook
from dllab_hub.backends.local.notices.ledger import Ledger
from dllab_hub.backends.local.notices.message import Seen, kind_of
from dllab_hub.backends.local.notices.sending import NotSent
from dllab_hub.backends.local.notices.webhook import check_url, post
from dllab_hub.errors import Conflict, DLLabError, InvalidRequest
from dllab_hub.specs import Alert, Code, JobState, NoticeWish, TrainingJob, TrainingSpec
from dllab_hub.state import StateDir

SECRET = "a secret of more than sixteen"
ALLOW = '[notices]\nallow = ["127.0.0.1"]\n'


@pytest.fixture
def receiver() -> Iterator[Hook]:
    with hook() as made:
        yield made


@pytest.fixture
def mails() -> Iterator[Mailbox]:
    with mailbox() as made:
        yield made


@pytest.fixture
def rules(a_state: StateDir):
    """Writes what the administrator says of notices."""

    def write(text: str = ALLOW) -> None:
        a_state.root.mkdir(exist_ok=True)
        (a_state.root / "catalog.toml").write_text(text)

    write()
    return write


def mail_rules(port: int, more: str = "") -> str:
    return (
        f'{ALLOW}[notices.smtp]\nhost = "127.0.0.1"\nport = {port}\nfrom = "lab@example.org"\n'
        f"starttls = false\n{more}"
    )


async def deliveries(backend, count: int, state: str = "sent", owner: str = "ada"):
    """The deliveries once there are so many in that state."""
    give_up = time.monotonic() + 20
    while True:
        found = (await backend.notices.settings(owner)).deliveries
        if sum(d.state == state for d in found) >= count:
            return found
        assert time.monotonic() < give_up, found
        await asyncio.sleep(0.05)


async def test_a_webhook_is_signed(local, rules, receiver: Hook):
    """The end of a job is posted with a signature that the secret alone can make."""
    wish = NoticeWish(webhook=receiver.url, secret=SECRET, on=("failed", "succeeded"))
    set_ = await local.backend.notices.set("ada", wish)
    assert (SECRET, True, False) == (set_.secret, set_.has_secret, set_.can_email)
    job = await local.submit("ada", code=3)
    await local.over(job)
    await asyncio.to_thread(receiver.until, 1)

    headers, body = receiver.posts[0]
    said = json.loads(body)
    assert {"kind", "job", "name", "state", "reason", "diagnosis", "time", "path"} == set(said)
    assert ("failed", job.id, "digits", "FAILED") == tuple(
        said[key] for key in ("kind", "job", "name", "state")
    )
    assert f"dllab/api/jobs/{job.id}" == said["path"]
    moment, made = (part.partition("=")[2] for part in headers["X-Dllab-Signature"].split(","))
    signed = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    assert signed.hexdigest() == made
    assert abs(time.time() - int(moment)) < 30
    found = await deliveries(local.backend, 1)
    assert (job.id, "failed", "webhook", 1) == (
        found[0].job,
        found[0].kind,
        found[0].by,
        found[0].tries,
    )


async def test_only_what_is_wanted_and_only_to_its_owner(local, rules, receiver: Hook):
    """Other kinds, other people's jobs and one's own cancels are not told."""
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url, on=("succeeded",)))
    await local.over(await local.submit("ada", code=3))
    await local.over(await local.submit("grace", code=0))
    cancelled = await local.submit("ada", code=None)
    await local.backend.cancel("ada", cancelled.id)
    await local.over(cancelled)
    mine = await local.submit("ada", code=0)
    await local.over(mine)
    await deliveries(local.backend, 1)

    assert [mine.id] == [json.loads(body)["job"] for _, body in receiver.posts]
    assert () == (await local.backend.notices.settings("grace")).deliveries


async def test_the_secret_stays_where_it_is(local, rules, a_state: StateDir, caplog):
    """It is told once, when it is made; it is in no later answer, no log and no open file."""
    caplog.set_level(logging.DEBUG)
    notices = local.backend.notices
    with hook() as receiver:
        first = await notices.set("ada", NoticeWish(webhook=receiver.url))
        assert first.secret
        again = await notices.set("ada", NoticeWish(webhook=f"{receiver.url}x"))
        assert (None, True) == (again.secret, again.has_secret)
        await notices.test("ada")
        other = await notices.set("ada", NoticeWish(webhook=receiver.url, secret=SECRET))
        assert SECRET == other.secret
    shown = (await notices.settings("ada")).model_dump_json()
    for secret in (first.secret, SECRET):
        assert secret not in shown + caplog.text
    for path in (a_state.root / "notices").iterdir():
        assert 0 == path.stat().st_mode & 0o077
    assert SECRET not in repr(notices._ledger.settings("ada"))


async def test_it_is_tried_again(running, a_state: StateDir, rules, receiver: Hook):
    """What is not taken is tried again, later each time, and given up after the last pause."""
    receiver.statuses = [500, 429, 200]
    async with running(a_state) as backend:
        backend.notices._pauses = (0.05, 0.1, 0.1)
        await backend.notices.set("ada", NoticeWish(webhook=receiver.url))
        await backend.submit("ada", _spec())
        sent = (await deliveries(backend, 1))[0]
        assert (3, "") == (sent.tries, sent.message)

        receiver.statuses = [500] * 9
        await backend.submit("ada", _spec())
        failed = (await deliveries(backend, 1, "failed"))[0]
        assert (4, "it answers with 500.") == (failed.tries, failed.message)
        assert 7 == len(receiver.posts)


async def test_what_is_to_be_sent_survives(running, a_state: StateDir, rules):
    """A letter that nobody took before a restart is sent after it."""
    with socket.socket() as door:  # Bound, and nobody listens.
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
        async with running(a_state) as backend:
            backend.notices._pauses = (0.3,) * 5
            await backend.notices.set("ada", NoticeWish(webhook=f"http://127.0.0.1:{port}/"))
            await backend.submit("ada", _spec())
            waits = (await deliveries(backend, 1, "retrying"))[0]
            assert "retrying" == waits.state
    with hook(port=port) as receiver:
        async with running(a_state) as backend:
            await asyncio.to_thread(receiver.until, 1)
            assert 1 == len(await deliveries(backend, 1))


async def test_an_end_that_nobody_heard(running, a_state: StateDir, rules, receiver: Hook, until):
    """A job that ends while the service is down is told of when it is up again, once."""
    async with running(a_state, leave=True) as backend:
        await backend.notices.set("ada", NoticeWish(webhook=receiver.url))
        source = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)"
        job = await backend.submit("ada", _spec(source))

        async def runs():
            return (await backend.get("ada", job.id)).state is JobState.RUNNING

        await until(runs)
        await asyncio.sleep(0.2)
    Path(job.workspace, "go").touch()
    await asyncio.sleep(1)
    assert [] == receiver.posts
    for _ in range(2):
        async with running(a_state) as backend:
            await asyncio.to_thread(receiver.until, 1)
            await deliveries(backend, 1)
    assert ["succeeded"] == [json.loads(body)["kind"] for _, body in receiver.posts]


async def test_a_restart_and_a_pause(local, rules, receiver: Hook):
    """A relaunch of the gang and a pause are told to who wants to know."""
    wish = NoticeWish(webhook=receiver.url, on=("restarted", "paused"))
    await local.backend.notices.set("ada", wish)
    source = (
        "import os, sys, time\nif os.environ['DLLAB_ATTEMPT'] == '1': sys.exit(1)\ntime.sleep(600)"
    )
    job = await local.backend.submit("ada", _spec(source, max_restarts=1))
    await asyncio.to_thread(receiver.until, 1)
    await local.backend.pause("ada", job.id)
    await asyncio.to_thread(receiver.until, 2)

    assert ["restarted", "paused"] == [json.loads(body)["kind"] for _, body in receiver.posts]


async def test_mail(running, a_state: StateDir, rules, mails: Mailbox):
    """An end is mailed through the administrator's server; what it refuses is said."""
    rules(mail_rules(mails.port))
    async with running(a_state) as backend:
        set_ = await backend.notices.set("ada", NoticeWish(email="ada+lab@example.org"))
        assert set_.can_email
        assert not set_.has_secret
        job = await backend.submit("ada", _spec("raise ValueError('bad \\x1b[31m\\nBcc: x@y.org')"))
        await deliveries(backend, 1)
        sender, to, letter = mails.letters[0]
        assert ("lab@example.org", ["ada+lab@example.org"]) == (sender, to)
        assert f"dllab: digits failed ({job.id})" == letter["Subject"]
        assert ("ada+lab@example.org", None) == (letter["To"], letter["Bcc"])
        assert f"{job.id} is FAILED" in letter.get_content()  # type: ignore[attr-defined]

        mails.refuses = True
        tested = await backend.notices.test("ada")
        assert ("test", "email", "failed") == (
            tested.deliveries[0].kind,
            tested.deliveries[0].by,
            tested.deliveries[0].state,
        )
        assert "refuses this address" in tested.deliveries[0].message
        assert 2 == len(tested.deliveries)


async def test_mail_over_tls(running, a_state: StateDir, rules, tmp_path: Path, monkeypatch):
    """Nothing is said to a server whose certificate is not valid; else the password of the file
    logs in, and what is wrong is told without it.
    """
    tls, cert = self_signed(tmp_path, "127.0.0.1")
    secret = tmp_path / "password"
    secret.write_text("wrong-one\n")
    with mailbox(tls) as mails:
        login = f'user = "lab"\npassword_file = "{secret}"\n'
        rules(mail_rules(mails.port, login).replace("starttls = false\n", ""))
        async with running(a_state) as backend:
            await backend.notices.set("ada", NoticeWish(email="ada@example.org"))

            async def told() -> str:
                return (await backend.notices.test("ada")).deliveries[0].message

            assert "certificate is not valid" in await told()
            assert [] == mails.logins
            monkeypatch.setenv("SSL_CERT_FILE", str(cert))
            said = await told()  # It may hang up instead of saying 535.
            assert said.startswith("the mail server")
            assert "wrong" not in said
            secret.write_text("right\n")
            assert "" == await told()
            assert [("lab", "wrong-one"), ("lab", "right")] == sorted(set(mails.logins))[::-1]
            assert 1 == len(mails.letters)
            secret.unlink()
            assert "does not take it" in await told()


def test_a_webhook_over_tls(tmp_path: Path, monkeypatch):
    """The certificate has to be valid, and that of the name that the person has set."""
    tls, cert = self_signed(tmp_path, "localhost")
    allow = (ip_network("127.0.0.0/8"), ip_network("::1"))
    with hook(tls) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost")
        with pytest.raises(NotSent, match="certificate"):
            post(url, b"{}", SECRET, 1, allow)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        with pytest.raises(NotSent, match="certificate"):
            post(receiver.url, b"{}", SECRET, 1, allow)
        assert [] == receiver.posts
        post(f"{url}a/b?c=d", b"{}", SECRET, 1, allow)
        assert "localhost" == receiver.posts[0][0]["Host"].partition(":")[0]


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@x.org", "a b@x.org", "ada@x.org\nBcc: y@z.org", "ada@x.org, y@z.org",
     "<ada@x.org>", "ada@x..org", "ada@-x.org", "ada@x.org\0", f"{'a' * 65}@x.org", "ada\r@x.org"],
)  # fmt: skip
async def test_what_is_no_address(running, a_state: StateDir, rules, address: str):
    """What could become another header, or another person, is refused."""
    rules(mail_rules(1))
    async with running(a_state) as backend:
        with pytest.raises(InvalidRequest) as caught:
            await backend.notices.set("ada", NoticeWish(email=address))
        assert "email" == caught.value.field


async def test_nothing_is_set_and_no_mail(local, rules):
    """A test of nothing, and an address where there is no mail server, are refused."""
    with pytest.raises(Conflict, match="nothing is set"):
        await local.backend.notices.test("ada")
    with pytest.raises(InvalidRequest, match="sends no e-mail"):
        await local.backend.notices.set("ada", NoticeWish(email="ada@example.org"))
    with pytest.raises(InvalidRequest, match="twice"):
        await local.backend.notices.set("ada", NoticeWish(on=("failed", "failed")))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "0.0.0.0", "[::1]", "[::]",
     "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "10.1.2.3", "192.168.0.1", "172.16.0.1",
     "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
     "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "[ff02::1]"],
)  # fmt: skip
async def test_private_places_are_refused(running, a_state: StateDir, host: str):
    """No form of an address of this machine or of a private network is sent to, by no scheme."""
    for scheme in ("http", "https"):
        with pytest.raises(InvalidRequest, match="private network"):
            check_url(f"{scheme}://{host}/x", ())
        with pytest.raises(NotSent, match="private network"):
            post(f"{scheme}://{host}/x", b"{}", SECRET, 1, ())


@pytest.mark.parametrize(
    "url",
    ["", "x", "ftp://example.org/", "file:///etc/passwd", "https://", "http:///x", "//example.org/",
     "https://ada:pw@example.org/", "https://example.org/#x", "https://example.org/ x",
     "https://example.org/\r\nX: y", "https://example.org:99999/", "https://[::1/", "gopher://x/",
     "https://ex\u00e4mple.org/", "http://exa\0mple.org/"],
)  # fmt: skip
def test_what_is_no_url(url: str):
    """Other schemes, passwords, fragments and control characters are refused with a sentence."""
    with pytest.raises(InvalidRequest) as caught:
        check_url(url, ())
    assert "webhook" == caught.value.field


def test_a_name_that_becomes_private(monkeypatch, receiver: Hook):
    """The connection goes to the address that was looked at, whatever the name becomes later; and
    one private address among several refuses them all.
    """
    port = int(receiver.url.rpartition(":")[2].strip("/"))
    answers = {"now": ["93.184.216.34"]}
    asked: list[str] = []
    connected: list[tuple[str, int]] = []

    def look_up(host, *_, **__):
        asked.append(host)
        found = answers["now"]
        answers["now"] = ["127.0.0.1"]  # The second answer is another one.
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    def connect(address, *_, **__):
        connected.append(address)
        raise OSError("nobody is there")

    monkeypatch.setattr(webhook.socket, "getaddrinfo", look_up)
    monkeypatch.setattr(webhook.socket, "create_connection", connect)
    with pytest.raises(NotSent, match="does not answer"):
        post(f"http://rebinding.example:{port}/", b"{}", SECRET, 1, ())
    assert (["rebinding.example"], [("93.184.216.34", port)]) == (asked, connected)

    answers["now"] = ["93.184.216.34", "10.0.0.1"]
    with pytest.raises(NotSent, match="private network"):
        post(f"http://rebinding.example:{port}/", b"{}", SECRET, 1, ())
    assert [] == receiver.posts


async def test_no_redirect_is_followed(local, rules, receiver: Hook):
    """A receiver cannot send the lab elsewhere."""
    receiver.statuses = [302]
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))
    tested = await local.backend.notices.test("ada")

    assert "it answers with 302: somewhere else" in tested.deliveries[0].message
    assert 1 == len(receiver.posts)


def test_an_answer_that_never_ends(monkeypatch, receiver: Hook):
    """Endless, trickling and torn answers keep nobody longer than the limit."""
    monkeypatch.setattr(webhook, "_PATIENCE", 1.0)

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    def trickling(handler):
        try:
            for letter in b"HTTP/1.1 200 OK\r\n" * 100:
                handler.wfile.write(bytes([letter]))
                time.sleep(0.2)
        except OSError:
            return

    def torn(handler):
        handler.wfile.write(b"HTTP/1.1 abc\r\n\r\n")

    allow = (ip_network("127.0.0.0/8"),)
    receiver.act = endless
    post(receiver.url, b"{}", SECRET, 1, allow)
    for act in (trickling, torn):
        receiver.act = act
        began = time.monotonic()
        with pytest.raises(NotSent, match="does not answer"):
            post(receiver.url, b"{}", SECRET, 1, allow)
        assert time.monotonic() - began < 3
    with pytest.raises(NotSent, match="TLS"):
        post(receiver.url.replace("http:", "https:"), b"{}", SECRET, 1, allow)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[notices]\nalow = []\n", "notices.alow"),
        ('[notices]\nallow = ["10.0.0.0/99"]\n', "no network"),
        ('[notices.smtp]\nhost = "x"\n', "notices.smtp.from"),
        ('[notices.smtp]\nhost = "x"\nfrom = "a@b.org"\nport = 0\n', "notices.smtp.port"),
        ('[notices.smtp]\nhost = "x"\nfrom = "a@b.org"\nuser = "u"\n', "belong together"),
        ("notices = 3\n", "notices"),
        ("[notices", "cannot be read"),
    ],
)
async def test_wrong_rules_are_named(local, rules, text: str, word: str):
    """What the administrator got wrong is told with file and key, and nothing is sent."""
    rules(text)
    with pytest.raises(DLLabError, match=r"catalog\.toml") as caught:
        await local.backend.notices.set("ada", NoticeWish())
    assert word in str(caught.value)


async def test_no_more_than_a_person_can_read(local, rules, receiver: Hook, monkeypatch):
    """Tests and notices of a person have a limit for each hour."""
    monkeypatch.setattr("dllab_hub.backends.local.notices.local._MOST", 2)
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))
    for _ in range(2):
        await local.backend.notices.test("ada")
    with pytest.raises(Conflict, match="2 notices"):
        await local.backend.notices.test("ada")
    await local.over(await local.submit("ada", code=0))
    await asyncio.sleep(0.5)
    assert 2 == len(receiver.posts)


def test_a_damaged_ledger_is_put_aside(tmp_path: Path):
    """The service starts all the same; what was there is kept beside it."""
    (tmp_path / "n").mkdir()
    (tmp_path / "n" / "notices.sqlite").write_bytes(os.urandom(8192))
    ledger = Ledger(tmp_path / "n")
    ledger.open()
    assert {} == ledger.watched()
    ledger.close()
    assert any("damaged" in path.name for path in (tmp_path / "n").iterdir())


def _spec(source: str = "pass", **more) -> TrainingSpec:
    return TrainingSpec(
        **{
            "name": "digits",
            "image": "here",
            "code": Code(source=source),
            "max_restarts": 0,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ((JobState.PENDING, 0, None), (JobState.RUNNING, 1, None), None),
        ((JobState.RUNNING, 1, None), (JobState.SUCCEEDED, 1, None), "succeeded"),
        ((JobState.RUNNING, 1, None), (JobState.LOST, 1, None), "failed"),
        ((JobState.PENDING, 0, None), (JobState.FAILED, 0, None), "failed"),
        ((JobState.RUNNING, 1, None), (JobState.CANCELLED, 1, None), None),
        ((JobState.RUNNING, 1, None), (JobState.RUNNING, 1, 5.0), "stalled"),
        ((JobState.RUNNING, 1, 5.0), (JobState.RUNNING, 1, None), None),
        ((JobState.RUNNING, 1, 5.0), (JobState.RUNNING, 1, 5.0), None),
        ((JobState.RUNNING, 1, None), (JobState.RESTARTING, 1, None), "restarted"),
        ((JobState.RESTARTING, 1, None), (JobState.RUNNING, 2, None), None),
        ((JobState.RUNNING, 1, None), (JobState.RUNNING, 2, None), "restarted"),
        ((JobState.PAUSED, 1, None), (JobState.PENDING, 1, None), None),
        ((JobState.PENDING, 1, None), (JobState.RUNNING, 2, None), None),
        ((JobState.RUNNING, 1, None), (JobState.PAUSED, 1, None), "paused"),
    ],
)
def test_kinds(before, after, kind):
    """What of all that happens is news, each thing once."""

    def job(state, attempt, silent):
        return TrainingJob(
            id="digits-bcdfghj", owner="ada", spec=_spec(), state=state, attempt=attempt,
            silent_since=silent, created=1.0,
        )  # fmt: skip

    assert kind == kind_of(Seen.of(job(*before)), job(*after))


@pytest.mark.long
async def test_a_stall(local, rules, receiver: Hook):
    """A job of which nothing is heard for its time is told of once, with what is known of it."""
    wish = NoticeWish(webhook=receiver.url, on=("stalled",))
    await local.backend.notices.set("ada", wish)
    await local.backend.submit("ada", _spec("import time\ntime.sleep(600)", stall_after=10))
    await asyncio.to_thread(receiver.until, 1, 60)
    await asyncio.sleep(3)

    said = [json.loads(body) for _, body in receiver.posts]
    assert ["stalled"] == [each["kind"] for each in said]
    assert "RUNNING" == said[0]["state"]
    assert "10 s" in said[0]["reason"] + said[0]["diagnosis"]


def alert(**changes) -> Alert:
    """A GPU of ada's lab is lost."""
    said = {
        "id": "GPULost-0123456789",
        "rule": "GPULost",
        "severity": "critical",
        "state": "firing",
        "kind": "gpu",
        "subject": "GPU-0",
        "name": "GPU 0",
        "owner": "ada",
        "message": "GPU 0 cannot be read any more.",
        "hint": "Run nvidia-smi.",
        "since": 1000.0,
        "fired": 1000.0,
    }
    return Alert(**{**said, **changes})


async def test_an_alert_is_told_once(local, rules, receiver: Hook):
    """Whom it concerns gets it when it fires and when it is over, however often it is told."""
    notices = local.backend.notices
    await notices.set("ada", NoticeWish(webhook=receiver.url, secret=SECRET))
    await notices.set("grace", NoticeWish(webhook=f"{receiver.url}grace"))
    over = {"state": "resolved", "resolved": 1300.0}

    for _ in range(3):
        await notices.tell(alert())
    await deliveries(local.backend, 1)
    for _ in range(3):
        await notices.tell(alert(**over))
    await notices.tell(alert(fired=2000.0))  # It begins anew.
    found = await deliveries(local.backend, 3)

    said = [json.loads(body) for _, body in receiver.posts]
    assert {("firing", 1000.0), ("resolved", 1000.0), ("firing", 2000.0)} == {
        (each["state"], each["fired"]) for each in said
    }
    assert 3 == len(said)
    wanted = ("kind", "rule", "severity", "subject", "message", "hint", "about")
    assert (
        "alert", "GPULost", "critical", "GPU-0", "GPU 0 cannot be read any more.",
        "Run nvidia-smi.", "gpu",
    ) == tuple(said[0][key] for key in wanted)  # fmt: skip
    assert {"alert"} == {each.kind for each in found}
    assert () == (await notices.settings("grace")).deliveries


async def test_no_alerts_for_who_wants_none(local, rules, receiver: Hook):
    """Who has not chosen the kind is not told."""
    notices = local.backend.notices
    await notices.set("ada", NoticeWish(webhook=receiver.url, on=("failed",)))

    await notices.tell(alert())
    await asyncio.sleep(0.3)

    assert [] == receiver.posts


async def test_the_administrator_is_told(local, rules, receiver: Hook, mails: Mailbox, tmp_path):
    """All of it goes to the administrator's own address, signed, though that is a private one."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    said = f"[alerts]\nwebhook = '{receiver.url}'\nemail = 'ops@example.org'\n"
    secret = f"secret_file = '{tmp_path / 'secret'}'\n"
    rules(mail_rules(mails.port).replace(ALLOW, "") + said + secret)
    notices = local.backend.notices

    await notices.tell(alert(owner=""))
    await asyncio.to_thread(receiver.until, 1)
    while not mails.letters:
        await asyncio.sleep(0.02)
    headers, body = receiver.posts[0]
    moment, made = (part.partition("=")[2] for part in headers["X-Dllab-Signature"].split(","))
    signed = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    assert signed.hexdigest() == made
    ((_, to, mail),) = mails.letters
    subject, text = mail["Subject"], mail.get_payload()
    assert ["ops@example.org"] == to
    assert "dllab: GPULost: GPU 0 is critical" == subject
    assert "GPU 0 cannot be read any more." in text
    assert "Run nvidia-smi." in text

    rules(said)  # Without a secret it is not signed.
    await notices.tell(alert(owner="", state="resolved", resolved=1300.0))
    await asyncio.to_thread(receiver.until, 2)
    assert "X-Dllab-Signature" not in receiver.posts[1][0]


async def test_the_administrators_address_is_wrong(local, rules, receiver: Hook, caplog):
    """The log says so, and the person is told nevertheless."""
    rules(f"{ALLOW}[alerts]\nemail = 'nobody'\n")
    await local.backend.notices.set("ada", NoticeWish(webhook=receiver.url))

    await local.backend.notices.tell(alert())
    await asyncio.to_thread(receiver.until, 1)

    assert "alerts.email" in caplog.text
