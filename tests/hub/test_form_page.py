"""The form inside a real hub's page: languages, refusals, several labs, and how fast it comes."""

from __future__ import annotations

import html
import re
import time

import pytest
from browser_session import BrowserSession
from running_hub import RunningHub


@pytest.fixture(scope="module")
def session(hub: RunningHub) -> BrowserSession:
    return hub.session("chooser")


def post(session: BrowserSession, path: str, **fields: str) -> str:
    """The page after a form."""
    data = {"form": "en", "image": "pytorch", "gpus": "0", **fields}
    session.http.get(path).raise_for_status()
    answer = session.http.post(path, data={**data, "_xsrf": session.xsrf(path)})
    assert answer.status_code == 400
    return answer.text


def test_what_was_typed_is_there_after_a_refusal_and_gone_afterwards(
    session: BrowserSession,
) -> None:
    """The page with the reason has every field as it was; a new visit has the last lab's."""
    page = post(session, "/hub/spawn", ssh="on", ssh_key="<b>no key", idle="60", gpus="1")
    again = session.http.get("/hub/spawn").text

    assert 'data-field="ssh_key"' in page
    assert "this is no OpenSSH public key." in page
    assert "&lt;b&gt;no key</textarea>" in page
    assert re.search(r'name="gpus"[^>]*value="1"', page)
    assert re.search(r'<option value="60" selected>', page)
    assert "no key" not in again


def test_a_refusal_is_in_the_language_of_the_form(session: BrowserSession) -> None:
    """The form says in which language it was; the page around it speaks it too."""
    page = post(session, "/hub/spawn", form="zh-CN", gpus="77")
    said = re.search(r"spawn-error-msg[^>]*>([^<]*)<", page)

    assert said
    assert "错误： GPU：这台机器只有 2 个 GPU。请选择 0 到 2。" == html.unescape(said[1]).strip()
    assert '<h1 class="h2">启动实验室</h1>' in page
    assert 'value="77"' in page


def test_the_refusal_of_another_lab_shows_what_was_typed_for_it(session: BrowserSession) -> None:
    """JupyterHub shows the first lab's form then; what was typed for the other is in it."""
    page = post(session, "/hub/spawn/chooser/second", requirements="-r everything")

    assert "line 1 is an option of pip." in page
    assert "-r everything</textarea>" in page
    assert 'id="dllab-name" value="second"' in page


def test_a_link_brings_no_code_along(session: BrowserSession) -> None:
    """Any page of the web can send a browser to a link: packages and the like wait for Start."""
    for field, value in (("requirements", "evil"), ("custom", "/srv/evil"), ("ssh_key", "x")):
        answer = session.http.get(
            "/hub/spawn", params={f"opt-{field}": value, "opt-gpus": "1", "opt-idle": "60"}
        )

        assert (400, f'data-field="{field}"') == (
            answer.status_code, (re.search(r'data-field="[a-z_]+"', answer.text) or [""])[0]
        )  # fmt: skip
        assert "then press Start" in answer.text
        assert re.search(r'name="gpus"[^>]*value="1"', answer.text)
        assert '<option value="60" selected>' in answer.text
        assert re.search(r'value="pytorch"[^>]*checked', answer.text)


def test_a_refused_link_shows_its_own_wish_in_the_browsers_language(
    session: BrowserSession,
) -> None:
    """Not what was typed into a form before it, and not in English for everybody."""
    post(session, "/hub/spawn", gpus="78")
    page = session.http.get(
        "/hub/spawn", params={"opt-gpus": "77"}, headers={"Accept-Language": "zh"}
    ).text

    assert "这台机器只有 2 个 GPU。" in page
    assert '<h1 class="h2">启动实验室</h1>' in page
    assert 'value="77"' in page


@pytest.mark.parametrize(
    ("accept", "cookie", "title"),
    [
        ("", "", "Start a lab"),
        ("zh-CN,zh;q=0.9", "", "启动实验室"),
        ("en", "zh-CN", "启动实验室"),
        ("zh", "en", "Start a lab"),
        ("en", "<script>", "Start a lab"),
    ],
)
def test_language(session: BrowserSession, accept: str, cookie: str, title: str) -> None:
    """The browser's languages count, and before them what the person chose."""
    jar = "; ".join(f"{c.name}={c.value}" for c in session.http.cookies.jar if c.path != "/user")
    headers = {"Accept-Language": accept, "Cookie": f"{jar}; dllab-language={cookie}"}
    page = session.http.get("/hub/spawn", headers=headers).text
    found = re.search("<title>(.*?)</title>", page, re.S)

    assert found
    assert title == found[1].strip()
    assert f">{title}</h1>" in page


def first_byte(session: BrowserSession, path: str) -> float:
    """Seconds until a page begins, the best of ten."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        with session.http.stream("GET", path) as answer:
            next(answer.iter_raw(1))
            times.append(time.perf_counter() - began)
    return min(times)


def test_the_page_comes_at_once(session: BrowserSession) -> None:
    """Looking at the form waits for no driver and no disk: it is as quick as the hub's own page."""
    session.http.get("/hub/spawn").raise_for_status()

    assert first_byte(session, "/hub/spawn") < first_byte(session, "/hub/home") + 0.05
