"""The page after the start: true, in the person's language, and nothing in it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from jupyter_process import JupyterProcess, jupyter_process
from served import Host

from dllab_hub.server import logdirs
from dllab_hub.server.landing import language

MARKUP = "<script>alert(1)</script>\"'"
LAB = {"image": "pytorch", "gpus": 2, "gpu_type": "a100", "ssh": False, "tensorboard": True}
VOLUMES = {
    "digits": {"title": MARKUP, "read_only": True, "place": "data/digits", "path": "/volume"},
    "bucket": {"title": "Bucket", "read_only": False, "place": "/mnt/b", "url": "s3://bucket"},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    """A lab with a volume of an unusual name."""
    (tmp_path_factory.getbasetemp() / "volume").mkdir(exist_ok=True)
    volumes = json.loads(json.dumps(VOLUMES))
    volumes["digits"]["path"] = str(tmp_path_factory.getbasetemp() / "volume")
    env = {
        "DLLAB_API_URL": "http://127.0.0.1:1/dllab/api/",
        "DLLAB_LAB": json.dumps(LAB),
        "DLLAB_IMAGE": "pytorch",
        "DLLAB_IMAGE_TITLE": f"PyTorch {MARKUP}",
        "DLLAB_VOLUMES": json.dumps(volumes),
        "DLLAB_IDLE": "90",
        "DLLAB_TENSORBOARD_LOGDIR": str(tmp_path_factory.mktemp("boards") / "ada"),
        "JUPYTERHUB_BASE_URL": "/",
    }
    with jupyter_process(tmp_path_factory.mktemp("lab") / "home", "/user/ada/", **env) as server:
        yield server


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def page(lab: JupyterProcess, **headers: str) -> str:
    answer = lab.ask("dllab/", headers=headers)
    assert answer.status_code == 200
    return answer.text


def test_it_says_what_was_picked(lab: JupyterProcess) -> None:
    """Links to JupyterLab and TensorBoard, and image, GPUs, data and idle limit."""
    text = page(lab)
    links = [tag["href"] for name, tag in _Tags(text).tags if name == "a"]

    assert {"/user/ada/lab", "/user/ada/tensorboard/", "/hub/home"} <= set(links)
    for words in ("2 × a100", "data/digits", "read-only", "/mnt/b", "after 90 min"):
        assert words in text
    assert "s3://" not in text
    assert "SSH" not in text


def test_names_are_text(lab: JupyterProcess) -> None:
    """Markup in a title is shown, not run; the page has no script, style or handler of its own."""
    text = page(lab)
    tags = _Tags(text).tags

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;" in text
    assert [("src", "defer")] == [tuple(tag) for name, tag in tags if name == "script"]
    assert not [tag for name, tag in tags if name == "style"]
    assert not [key for _, tag in tags for key in tag if key.startswith("on") or key == "style"]


def test_its_policy(lab: JupyterProcess) -> None:
    """The browser loads and runs nothing but our own files, which are there."""
    answer = lab.ask("dllab/")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    for name, tag in _Tags(answer.text).tags:
        url = tag.get("src") or (tag.get("href") if tag.get("rel") == "stylesheet" else None)
        if url:
            there = lab.ask(url.removeprefix("/user/ada/"))
            assert (200, "nosniff") == (
                there.status_code,
                there.headers["x-content-type-options"],
            ), name
    assert 404 == lab.ask("dllab/page/landing.html").status_code


def test_strangers_see_nothing(lab: JupyterProcess) -> None:
    """Without the server's token there is a login page or a refusal, at every address."""
    for path in (
        "dllab/",
        "dllab",
        "dllab/page/landing.js",
        "dllab/api/lab",
        "dllab/tensorboard/1/",
    ):
        answer = httpx.get(lab.url + path, trust_env=False)
        assert answer.status_code in {302, 401, 403}, path
        assert "a100" not in answer.text


def test_chinese(lab: JupyterProcess) -> None:
    """It is in the language of the browser, or in the one that was chosen."""
    assert "实验室已就绪" in page(lab, **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
    assert "Your lab is ready" in page(lab, **{"Accept-Language": "de,en;q=0.5"})
    assert "实验室已就绪" in lab.ask("dllab/?lang=zh").text
    assert "Your lab is ready" in lab.ask("dllab/?lang=%22%3E%3Cscript%3E").text


def test_every_sentence_has_a_translation() -> None:
    """What the page says in English it says in Chinese, and nothing is left over."""
    folder = Path(logdirs.__file__).parent / "templates"
    said = set(re.findall(r't\["([^"]+)"\]', (folder / "landing.html").read_text()))

    assert said == set(json.loads((folder / "landing.zh.json").read_text()))


@pytest.mark.parametrize(
    ("header", "chosen", "expected"),
    [
        ("", "", "en"),
        ("fr", "", "en"),
        ("en;q=0.2, zh-TW", "", "zh"),
        ("zh;q=0, en", "", "en"),
        ("zh", "en", "en"),
        ("en", "zh-CN", "zh"),
        ("zhuang;q=x,,;", "<b>", "en"),
    ],
)
def test_the_language(header: str, chosen: str, expected: str) -> None:
    """The heaviest of those that we have; a choice goes first; nonsense is English."""
    assert expected == language(header, chosen)


def test_without_its_slash(lab: JupyterProcess) -> None:
    """A link without the slash arrives too."""
    answer = lab.ask("dllab")

    assert (302, "/user/ada/dllab/") == (answer.status_code, answer.headers["location"])


def test_the_view(lab: JupyterProcess) -> None:
    """The same as JSON, for the launcher; without what opens a bucket."""
    view = lab.ask("dllab/api/lab").json()

    assert ("pytorch", 2, 90, None) == (view["image"], view["gpus"], view["idle"], view["ssh"])
    assert ["digits", "bucket"] == [volume["name"] for volume in view["volumes"]]
    assert {"name", "title", "read_only", "place"} == set(view["volumes"][0])


def test_looking_is_no_activity(lab: JupyterProcess) -> None:
    """A launcher that asks again and again does not keep an idle lab from being stopped."""
    before = lab.last_activity()
    lab.ask("dllab/api/lab")
    lab.ask("dllab/api/tensorboards")

    assert before == lab.last_activity()


def test_the_service_is_no_lab(service: Host) -> None:
    """It says so."""
    assert 404 == service.ask("GET", "lab").status_code
    wish = {"directory": "runs"}
    assert 404 == service.ask("POST", "tensorboards", json=wish).status_code
    assert 404 == service.ask("DELETE", "tensorboards/runs").status_code


def test_directories_of_tensorboard(lab: JupyterProcess) -> None:
    """One is added once, shown, and taken away again; its files stay."""
    runs = lab.home / "deep" / "runs"
    runs.mkdir(parents=True)
    (runs / "file").write_text("mine")
    wish = {"directory": "deep/runs"}
    for _ in range(2):
        answer = lab.ask("dllab/api/tensorboards", "POST", json=wish)
        assert (201, [{"name": "runs", "path": str(runs)}]) == (
            answer.status_code,
            answer.json()["directories"],
        )
    assert (
        answer.json()["directories"]
        == (lab.ask("dllab/api/tensorboards").json()["tensorboards"][0]["directories"])
    )
    assert [] == lab.ask("dllab/api/tensorboards/runs", "DELETE").json()["directories"]
    assert 404 == lab.ask("dllab/api/tensorboards/runs", "DELETE").status_code
    assert "mine" == (runs / "file").read_text()


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"directory": "nowhere"}, "directory"),
        ({"directory": "/etc"}, "directory"),
        ({"directory": "../.."}, "directory"),
        ({"directory": "."}, "directory"),
        ({"directory": "link"}, "directory"),
        ({"directory": "\0"}, "directory"),
        ({"directory": ""}, "directory"),
        ({"directory": 1}, "directory"),
        ({}, "directory"),
        ({"directory": "here", "name": "../x"}, "name"),
        ({"directory": "here", "name": "A B"}, "name"),
        ({"directory": "here", "more": 1}, "more"),
    ],
)
def test_directories_that_are_refused(lab: JupyterProcess, wish, field: str) -> None:
    """Missing ones, those elsewhere, the whole home, names that are none."""
    (lab.home / "here").mkdir(exist_ok=True)
    if not (lab.home / "link").is_symlink():
        (lab.home / "link").symlink_to("/usr/lib")
    answer = lab.ask("dllab/api/tensorboards", "POST", json=wish)

    assert (400, field) == (answer.status_code, answer.json()["error"]["field"])
    assert [] == lab.ask("dllab/api/tensorboards").json()["tensorboards"][0]["directories"]


def test_a_directory_of_a_volume(tmp_path: Path) -> None:
    """Runs on a data volume can be shown; a directory around the log directory cannot."""
    for name in ("home", "volume/runs", "logs/ada"):
        (tmp_path / name).mkdir(parents=True)
    home, volume, logdir = (tmp_path / name for name in ("home", "volume", "logs/ada"))
    (home / "data").symlink_to(volume)

    assert "runs" == logdirs.add(logdir, "data/runs", "", home, [volume])
    assert {"runs": str(volume / "runs")} == logdirs.find(logdir)
    with pytest.raises(logdirs.InvalidRequest):
        logdirs.add(logdir, str(tmp_path / "logs"), "", home, [tmp_path])
    (home / "runs").mkdir()
    with pytest.raises(logdirs.Conflict, match="another directory"):
        logdirs.add(logdir, "runs", "", home)
    assert "mine" == logdirs.add(logdir, "runs", "mine", home)
