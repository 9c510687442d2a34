"""The login form's HTML: what it offers, predicts and remembers."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from dllab_hub.hub.choice import remembered
from dllab_hub.hub.form import Offer, Place, frameworks, render
from dllab_hub.specs import Bring, Catalog, Forecast, GpuType, Image, Volume

EVIL = "<script>alert('x')</script>\"'"


def images(text: str = "D") -> tuple[Image, ...]:
    return (
        Image(name="a", title="A", framework="a", version="1", description=text),
        Image(name="b", title=text, framework="b", version="1", tags=("GPU",), python="3.11"),
    )


def volumes(text: str = "Raw") -> tuple[Volume, ...]:
    return (
        Volume(name="raw", title=text, path="/srv/raw", read_only=True),
        Volume(name="mine", title="Mine", path="/srv/mine"),
    )


def forecasts(gpus: int, free: int = 1, text: str = "") -> list[Forecast]:
    """Sentences for 0 GPUs to one more than there are."""
    rows = [
        Forecast(
            answer="now" if n <= free else "wait",
            message=f"sentence {n}{text}",
            smaller=None if n <= free else free,
        )
        for n in range(gpus + 1)
    ]
    return [*rows, Forecast(answer="never", message="too many", smaller=free)]


def offer(gpus: int | None = 2, *, text: str = "D", **more: Any) -> Offer:
    fields: dict[str, Any] = {"images": images(text), "volumes": volumes(text)}
    fields["default_image"] = "a"
    os_users = more.pop("os_users", False)
    table = {"": forecasts(gpus, text=text)} if gpus is not None else {}
    return Offer(
        catalog=Catalog(**{**fields, **more}),
        gpus=gpus,
        held=f"1 of {gpus} is free; held by your lab '{text}'" if gpus else "",
        forecasts=table,
        os_users=os_users,
    )


class Fields(HTMLParser):
    """What a form's fields hold."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self._select: dict[str, Any] | None = None
        self._text: dict[str, Any] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: dict[str, Any] = {**dict(attrs), "tag": tag}
        if tag == "input":
            self.found.append(given)
        elif tag == "select":
            self._select = {**given, "options": [], "value": None}
            self.found.append(self._select)
        elif tag == "option" and self._select is not None:
            self._select["options"].append(given["value"])
            if "selected" in given or self._select["value"] is None:
                self._select["value"] = given["value"]
        elif tag == "textarea":
            self._text = {**given, "value": ""}
            self.found.append(self._text)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text["value"] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea" and self._text is not None:
            self._text["value"] = self._text["value"].removeprefix("\n")
            self._text = None

    def named(self, name: str) -> dict[str, Any]:
        return next(field for field in self.found if field.get("name") == name)

    @property
    def sent(self) -> dict[str, list[Any]]:
        """What a browser without JavaScript would send."""
        data: dict[str, list[Any]] = {}
        for field in self.found:
            ticked = field.get("type") not in {"radio", "checkbox"} or "checked" in field
            if ticked and field.get("name"):
                data.setdefault(field["name"], []).append(field["value"])
        return data


NEWCOMER = {
    "form": ["en"],
    "image": ["a"],
    "requirements": [""],
    "gpus": ["0"],
    "wait": ["0"],
    "tensorboard": ["on"],
    "ssh_key": [""],
    "idle": [""],
}


def test_a_newcomer_gets_the_defaults() -> None:
    """Default image, no GPU, no data, TensorBoard."""
    assert NEWCOMER == Fields(render(offer(), {})).sent


def test_the_last_choice_is_preselected() -> None:
    """What was accepted last time is picked again."""
    last = {
        "image": "b",
        "gpus": 2,
        "volumes": ["mine"],
        "tensorboard": False,
        "requirements": ["numpy>=2", "tqdm"],
        "idle": 60,
        "wait": 15,
        "lend": True,
    }
    html = render(offer(), last)

    expected = {
        **NEWCOMER,
        "image": ["b"],
        "gpus": ["2"],
        "volumes": ["mine"],
        "requirements": ["numpy>=2\ntqdm"],
        "idle": ["60"],
        "wait": ["15"],
        "lend": ["on"],
    }
    del expected["tensorboard"]
    assert expected == Fields(html).sent
    assert ">sentence 2D<" in html


def test_values_that_no_select_offers_stay() -> None:
    """Minutes that came from a link or from REST are shown, not replaced."""
    sent = Fields(render(offer(), {"wait": 7, "idle": 33})).sent

    assert (["7"], ["33"]) == (sent["wait"], sent["idle"])


def test_what_is_gone_is_forgotten_alone_and_told() -> None:
    """A volume, image or GPU count that is not offered any more takes nothing else with it."""
    last: dict[str, Any] = {
        "image": "gone",
        "gpus": 9,
        "gpu_type": "old",
        "volumes": ["mine", "lost", 3],
        "idle": 240,
        "x": "y",
    }

    spec, lost = remembered(last, offer().catalog, 2)
    html = render(offer(), last)

    assert ("a", 0, ("mine",), 240) == (spec.image, spec.gpus, spec.volumes, spec.idle)
    assert ["image", "gpu_type", "gpus", "volumes"] == [item.field for item in lost]
    assert "Your last image, gone, is no longer offered: choose another." in html
    assert "These volumes are no longer offered: lost." in html
    assert "Your last choice of 9 GPUs is more than is offered now." in html
    assert "Your last choice is no longer offered: GPU type." in html


@pytest.mark.parametrize(
    "options",
    [
        None,
        [],
        {"volumes": {"a": 1}},
        {"image": {"$": 1}, "gpus": [1], "requirements": [[]], "ssh": "\0"},
        {"user_options": {"image": EVIL, "volumes": [EVIL]}},
        {"gpus": float("nan"), "wait": 10**30, "idle": -1, "ssh": True},
    ],
)
def test_whatever_was_saved_gives_a_usable_form(options: Any) -> None:
    """JupyterHub keeps what anybody with a token wrote; the form is there all the same."""
    html = render(offer(), options)

    assert NEWCOMER["image"] == Fields(html).sent["image"]
    assert EVIL not in html


def test_what_was_typed_is_kept_after_a_refusal() -> None:
    """Every field comes back as it was typed, also where it is wrong."""
    typed = {
        "image": "b",
        "gpus": "77",
        "requirements": "-r evil\n</textarea>" + EVIL,
        "ssh": "on",
        "ssh_key": "no key",
        "volumes": ["mine", EVIL],
        "tensorboard": "off",
        "idle": "240",
        "wait": "60",
        "lend": "off",
    }
    html = render(offer(), {"image": "a"}, typed=typed)
    sent = Fields(html).sent

    assert ["77"] == sent["gpus"]
    assert [typed["requirements"]] == sent["requirements"]
    assert (["no key"], ["on"], ["mine"]) == (sent["ssh_key"], sent["ssh"], sent["volumes"])
    assert ("tensorboard" in sent, ["240"], ["60"]) == (False, sent["idle"], sent["wait"])
    assert "too many" in html
    assert EVIL not in html


def test_texts_are_escaped() -> None:
    """No title, description, holder or forecast can bring markup into the page."""
    html = render(offer(text=EVIL), {})
    data = re.search(r'id="dllab-data">(.*?)</script>', html, re.S)

    assert EVIL not in html
    assert html.count("<script") == 2
    assert "&lt;script&gt;alert" in html
    assert data
    assert json.loads(data[1])["forecasts"][""][0]["message"] == "sentence 0" + EVIL


def test_a_machine_without_gpu_is_a_normal_state() -> None:
    """There is a sentence instead of a stepper, and the form still sends a number."""
    html = render(offer(0), {})

    assert "This machine has no NVIDIA GPU, so labs run on the CPU." in html
    assert Fields(html).sent["gpus"] == ["0"]
    assert 'type="number"' not in html


def test_a_limit_of_no_gpu_is_told() -> None:
    """Where labs get no GPU, jobs may have them all."""
    never = Forecast(answer="never", message="your labs may hold no GPU")
    table = {"": [Forecast(answer="now", message="now"), never]}
    html = render(Offer(offer().catalog, 2, "2 of 2 are free", table, False), {})

    assert "Labs get no GPU here" in html
    assert Fields(html).sent["gpus"] == ["0"]


def test_without_forecasts_the_limits_hold() -> None:
    """On a cluster whose capacity nobody can tell, any number up to the limits may be typed."""
    html = render(offer(None, target="cluster", volumes=(), max_gpus=8, max_gpus_per_user=6), {})

    assert "6" == Fields(html).named("gpus")["max"]
    assert 'class="dllab-forecast"' not in html


def test_the_most_that_can_be_typed_is_the_most_that_can_start() -> None:
    """The number that can never start has a sentence but is no choice."""
    html = render(offer(2), {})

    assert "2" == Fields(html).named("gpus")["max"]
    assert "too many" in html


def test_forecasts_of_every_number_are_there_without_a_script() -> None:
    """Neighbours that are alike are one line."""
    wait = Forecast(answer="wait", message="wait")
    table = {"": [Forecast(answer="now", message="now"), wait, wait]}
    html = render(Offer(offer().catalog, 2, "", table, False), {})
    plain = re.search(r"<noscript>(.*?)</noscript>", html, re.S)

    assert plain
    assert ["0: now", "1-2: wait"] == re.findall("<li>(.*?)</li>", plain[1])


def test_gpu_types_have_forecasts_of_their_own() -> None:
    """The sentence is the one of the type that is picked."""
    types = (GpuType(name="big", title="Big"), GpuType(name="small", title="Small"))
    base = offer(gpu_types=types)
    table = {**base.forecasts, "big": forecasts(1, text=" big")}
    html = render(Offer(base.catalog, 2, "", table, False), {"gpus": 1, "gpu_type": "big"})

    assert ["", "big", "small"] == Fields(html).named("gpu_type")["options"]
    assert ">sentence 1 big<" in html


def test_versions_of_one_framework_share_a_card() -> None:
    """Cards stand where their first image stands; what titles have in common is the card's."""
    offered = (
        Image(name="tf2", title="TensorFlow 2.21", framework="tensorflow", version="2.21.0"),
        Image(name="jax", title="JAX 0.8", framework="jax", version="0.8"),
        Image(name="tf1", title="TensorFlow 2.20", framework="TensorFlow", version="2.20"),
    )
    cards = frameworks(offered)
    html = render(offer(images=offered, default_image="tf1"), {})

    assert [("TensorFlow", 2), ("JAX 0.8", 1)] == [(c.title, len(c.images)) for c in cards]
    assert ["JAX 0.8", "TensorFlow"] == [card.title for card in frameworks(offered, "jax")]
    assert ["tf1"] == Fields(html).sent["image"]
    assert 'role="group"' in html


def test_an_image_that_is_being_built_can_be_chosen() -> None:
    """It says how far it is, and that the lab starts when it is done."""
    new = Image(
        name="new", title="New", framework="n", version="1", state="building", progress="45 %"
    )
    html = render(offer(images=(*images(), new)), {"image": "new"})

    assert ["new"] == Fields(html).sent["image"]
    assert "Being built (45 %): the lab starts when it is done." in html


@pytest.mark.parametrize(
    ("target", "bring", "said"),
    [
        ("machine", Bring(environments=("~",)), "Path of a virtual environment"),
        ("cluster", Bring(images="reg[.]example/.*"), "Reference of a container image"),
        ("machine", Bring(images="reg[.]example/.*"), ""),
        ("cluster", Bring(environments=("~",)), ""),
    ],
)
def test_bringing_ones_own(target: str, bring: Bring, said: str) -> None:
    """An environment on a machine, an image on a cluster, where the administrator allows it."""
    html = render(offer(target=target, bring=bring, volumes=()), {})

    assert bool(said) == ('value="custom"' in html)
    assert said in html


def test_cpus_and_memory_are_asked_where_they_are_offered() -> None:
    """Sizes are read by people; on one machine a sentence stands in their place."""
    html = render(
        offer(None, target="cluster", volumes=(), cpus=(0.5, 4), memory=(1 << 33, 1 << 29)),
        {"cpus": 0.5, "memory": 1 << 29},
    )
    shared = render(Offer(offer().catalog, 0, "", {}, False, shared="Labs share 8 CPUs."), {})
    sent = Fields(html).sent

    assert (["0.5"], [str(1 << 29)]) == (sent["cpus"], sent["memory"])
    assert ">8 GB<" in html
    assert ">512 MB<" in html
    assert "Labs share 8 CPUs." in shared
    assert 'name="cpus"' not in shared


def test_idle_limits_longer_than_allowed_are_not_offered() -> None:
    """With a limit there is no 'never', and the default is the limit."""
    html = render(offer(max_idle=240), {})

    assert ["", "60", "240"] == Fields(html).named("idle")["options"]
    assert "The longest allowed: 4 hours" in html


def test_read_only_is_told_honestly() -> None:
    """In single-user mode the form says that nothing enforces it."""
    assert "nothing prevents it" in render(offer(), {})
    assert "nothing prevents it" not in render(offer(os_users=True), {})
    assert "read-only</span>" in render(offer(), {})


def test_where_a_volume_appears_is_told() -> None:
    """The path that is used in the lab."""
    assert "<code>data/raw</code>" in render(offer(), {})


def test_another_lab_is_a_click_away_without_a_script() -> None:
    """With JavaScript its name is typed; without, the hub's page of one's labs is linked."""
    place = Place(url="/hub/spawn/ada", home="/hub/home", server="big", named=True)
    html = render(offer(), {}, place=place)

    assert '<a href="/hub/home">' in html
    assert "big" == next(f for f in Fields(html).found if f.get("id") == "dllab-name")["value"]
    assert "name" not in Fields(html).sent
    assert "dllab-name" not in re.sub("(?s)<script.*?</script>", "", render(offer(), {}))


def test_chinese() -> None:
    """Labels and forecasts are Chinese; names of images and volumes are the administrator's."""
    table = {"": [Forecast(answer="now", message="Starts now, on the CPU.")] * 2}
    html = render(
        Offer(offer().catalog, 1, "none of 1 is free; held by 1 other person", table, False),
        {},
        "zh-CN",
    )

    assert "<legend>框架</legend>" in html
    assert "现在就能启动，在 CPU 上运行。" in html
    assert "1 个全部被占用；占用者：另外 1 人。" in html
    assert ["zh-CN"] == Fields(html).sent["form"]
    assert 'lang="zh-CN"' in html


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The page needs no asset of another host."""
    assert (
        re.findall(r"(?:src|href)=\"(?!#|/)", render(offer(), {}, place=Place(home="/hub/home")))
        == []
    )


def test_every_field_has_a_name_that_a_screen_reader_says() -> None:
    """Each visible field is inside a label, has one by id, or is labelled by another element."""
    everything = offer(
        None,
        target="cluster",
        volumes=(),
        cpus=(1,),
        memory=(1 << 30,),
        gpu_types=(GpuType(name="x", title="X"),),
        bring=Bring(images=".*"),
        images=tuple(
            Image(name=f"i{n}", title=f"I {n}", framework=f"f{n}", version="") for n in range(12)
        ),
        default_image="i0",
    )
    html = render(everything, {}, place=Place(named=True))
    nameless = [
        field
        for field in Fields(html).found
        if field.get("type") not in {"hidden", "radio"}  # The cards are labels.
        and f'for="{field.get("id")}"' not in html
        and not field.get("aria-labelledby")
        and not field.get("aria-label")
    ]

    assert nameless == []
    assert len(Fields(html).found) == len({id(f) for f in Fields(html).found})


def test_it_is_made_quickly() -> None:
    """With 100 images and 50 volumes the form takes a small part of a page's 50 ms."""
    many = offer(
        8,
        images=tuple(
            Image(name=f"i{n}", title=f"I {n}", framework=f"f{n % 30}", version=f"{n}")
            for n in range(100)
        ),
        default_image="i0",
        volumes=tuple(Volume(name=f"v{n}", title=f"V {n}", path=f"/srv/{n}") for n in range(50)),
    )
    last = {"image": "i7", "gpus": 2, "volumes": ["v1", "gone"]}
    render(many, last)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        render(many, last)
        times.append(time.perf_counter() - began)

    assert min(times) < 0.05
