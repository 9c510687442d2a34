"""`AccessBook`: who may ask a deployment, as it is kept."""

from __future__ import annotations

import json
import time

import pytest

from dllab_hub.backends.admission import Asker
from dllab_hub.backends.local.serving.access import AccessBook
from dllab_hub.errors import AccessDenied, Conflict, NotFound, StorageFull
from dllab_hub.specs import MAX_KEYS, Callers, KeyWish


@pytest.fixture
def said():
    """Events."""
    return []


@pytest.fixture
def make(tmp_path, said):
    """Opens the book, as a service that starts does."""
    return lambda: AccessBook(tmp_path / "access.json", lambda *event: said.append(event))


@pytest.mark.parametrize(
    ("callers", "groups", "admitted"),
    [
        (Callers(), {"vision"}, False),
        (Callers(who="everyone"), set(), True),
        (Callers(who="groups", groups=("vision", "audio")), {"audio"}, True),
        (Callers(who="groups", groups=("vision",)), {"Vision", "vision2"}, False),
        (Callers(who="groups", groups=("vision",)), set(), False),
    ],
)
def test_people(make, callers, groups, admitted):
    """Who is let in is as it was said, to the letter of a group's name."""
    book = make()
    book.open_to(callers)
    assert admitted == book.admits(Asker("grace", frozenset(groups)))


def test_a_key_opens_it(make, said):
    """The key does, and nothing that is like it; its use is seen."""
    book = make()
    made = book.make_key(KeyWish(title="shop"))
    other = book.make_key(KeyWish(title="other"))

    assert book.admits(Asker(key=made.key))
    for wrong in (
        made.key[:-1],
        made.key + "x",
        made.key.upper(),
        f"{other.key[:13]}{made.key[13:]}",
        made.id,
        "dlk_",
        f" {made.key}",
        "x" * 10_000,
    ):
        with pytest.raises(AccessDenied):
            book.admits(Asker(key=wrong))
    used = {key.title: key.used for key in book.access.keys}
    assert used["shop"] == pytest.approx(time.time(), abs=5)
    assert used["other"] is None
    assert ["KeyMade", "KeyMade"] == [event for event, _ in said]


def test_a_key_beside_an_open_door(make):
    """With a key, it alone counts: a wrong one is refused also where everyone may ask."""
    book = make()
    book.open_to(Callers(who="everyone"))
    with pytest.raises(AccessDenied):
        book.admits(Asker("grace", key="dlk_00000000_" + "x" * 43))


def test_a_revoked_key(make):
    """It opens nothing from then on, in the next service either; the others do."""
    book = make()
    gone, stays = (book.make_key(KeyWish(title=title)) for title in ("a", "b"))
    book.revoke(gone.id)
    with pytest.raises(NotFound):
        book.revoke(gone.id)
    for each in (book, make()):
        with pytest.raises(AccessDenied):
            each.admits(Asker(key=gone.key))
        assert each.admits(Asker(key=stays.key))


def test_a_key_expires(make, monkeypatch):
    """Up to its last second it opens, then it says that it has expired."""
    book = make()
    made = book.make_key(KeyWish(title="a", lifetime=60))
    monkeypatch.setattr(time, "time", lambda: made.created + 59.9)
    assert book.admits(Asker(key=made.key))
    monkeypatch.setattr(time, "time", lambda: made.created + 60)
    with pytest.raises(AccessDenied, match="expired"):
        book.admits(Asker(key=made.key))


def test_the_key_itself_is_not_kept(make, tmp_path):
    """Who reads the file has no key."""
    made = make().make_key(KeyWish(title="a"))
    text = (tmp_path / "access.json").read_text()

    assert made.key not in text
    assert made.key.rpartition("_")[2] not in text
    assert 0o600 == (tmp_path / "access.json").stat().st_mode & 0o777


def test_what_is_kept_comes_back(make, monkeypatch):
    """Another service knows the callers, the keys, and when they were used last."""
    book = make()
    book.open_to(Callers(who="groups", groups=("vision",)))
    made = book.make_key(KeyWish(title="a", lifetime=3600))
    book.admits(Asker(key=made.key))
    book.tick()  # Too soon after the start.
    assert make().access.keys[0].used is None
    late = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: late)
    book.tick()

    assert book.access == make().access
    assert make().access.keys[0].used is not None
    assert make().admits(Asker(key=made.key))


def test_too_many_keys(make):
    """There is a limit, with what to do about it."""
    book = make()
    for _ in range(MAX_KEYS):
        book.make_key(KeyWish(title="a"))
    with pytest.raises(Conflict) as caught:
        book.make_key(KeyWish(title="a"))
    assert "Revoke" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"callers": {"who": "world"}, "keys": []}', '{"callers": {}}']
)
def test_a_damaged_file_closes_it(make, said, tmp_path, text):
    """It is its owner's only then, and an event says that it has to be set anew."""
    (tmp_path / "access.json").write_text(text)
    book = make()

    assert ("owner", ()) == (book.access.callers.who, book.access.keys)
    assert not book.admits(Asker("grace"))
    assert ["AccessLost"] == [event for event, _ in said]


def test_a_full_disk_changes_nothing(make, monkeypatch):
    """Who may ask stays as it was, and no key is made."""

    def full(*_):
        raise OSError(28, "No space left on device")

    book = make()
    before = book.access
    monkeypatch.setattr("dllab_hub.backends.local.serving.access.replace_file", full)
    for do in (
        lambda: book.open_to(Callers(who="everyone")),
        lambda: book.make_key(KeyWish(title="a")),
    ):
        with pytest.raises(StorageFull):
            do()
    assert before == book.access == make().access


def test_the_file_of_another_release(make, tmp_path):
    """A key with a field that is not known here is not half understood: it is closed."""
    made = make().make_key(KeyWish(title="a"))
    path = tmp_path / "access.json"
    data = json.loads(path.read_text())
    data["keys"][0]["only_from"] = "10.0.0.0/8"
    path.write_text(json.dumps(data))
    with pytest.raises(AccessDenied):
        make().admits(Asker(key=made.key))
