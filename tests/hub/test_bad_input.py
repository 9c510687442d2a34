"""Bad wishes: each is refused with one sentence that names the field, whichever way it comes in."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dllab_hub.errors import InvalidRequest
from dllab_hub.hub.options import from_form, from_query, read_options
from dllab_hub.specs import Bring, Catalog, GpuType, Image, LabSpec, Volume

IMAGE = {"framework": "x", "version": "1"}
CLUSTER = Catalog(
    target="cluster",
    images=(Image(name="torch", title="Torch", container="reg.io/ok/torch:1", **IMAGE),),
    volumes=(
        Volume(name="team", title="Team", claim="team-data", read_only=True),
        Volume(name="ada", title="Ada's", claim="ada-home", users=("ada",)),
    ),
    default_image="torch",
    gpu_types=(GpuType(name="a100", title="A100", max_gpus=2),),
    cpus=(1, 2.5),
    memory=(1 << 30, 1 << 33),
    max_gpus=4,
    max_gpus_per_user=3,
    max_gpu_idle=60,
    bring=Bring(images=r"reg\.io/ok/.+", registries=("reg.io",)),
).for_person("grace")
CUSTOM = {"image": "custom"}
MARK = "<script>alert(1)</script>"

#: The row of the matrix, the options as text or JSON, the field that is named.
ROWS: list[tuple[str, dict[str, Any], str]] = [
    ("1 image outside the list", {"image": "evil.io/x"}, "image"),
    ("1 custom image outside the pattern", {**CUSTOM, "custom": "reg.io/bad/x:1"}, "custom"),
    ("2 allowed prefix and more", {**CUSTOM, "custom": "reg.io/ok.evil.com/x"}, "custom"),
    ("2 another host", {**CUSTOM, "custom": "reg.io.evil.com/ok/x"}, "custom"),
    ("3 trailing newline", {"image": "torch\n"}, "image"),
    ("3 trailing newline, custom", {**CUSTOM, "custom": "reg.io/ok/x:1\n"}, "custom"),
    ("4 a digest that is none", {**CUSTOM, "custom": "reg.io/ok/x:latest@sha256:zz"}, "custom"),
    ("5 long image", {"image": "a" * 200_000}, "image"),
    ("5 long custom", {**CUSTOM, "custom": "reg.io/ok/" + "a" * 200_000}, "custom"),
    ("5 long key", {"ssh": "on", "ssh_key": "ssh-rsa " + "A" * 200_000}, "ssh_key"),
    ("5 long list", {"requirements": "\n".join(["numpy"] * 50_000)}, "requirements"),
    ("6 GPUs below 0", {"gpus": "-1"}, "gpus"),
    ("7 very many GPUs", {"gpus": "1000000000"}, "gpus"),
    ("8 half a GPU", {"gpus": "1.5"}, "gpus"),
    ("9 not a number", {"gpus": float("nan")}, "gpus"),
    ("9 infinite", {"cpus": float("inf")}, "cpus"),
    ("9 in words", {"gpus": "NaN"}, "gpus"),
    ("9 in words", {"memory": "Infinity"}, "memory"),
    ("10 true is not 1", {"gpus": True}, "gpus"),
    ("11 unknown key", {"nodes": "2"}, "nodes"),
    ("12 twice", {"image": ["torch", "torch"]}, "image"),
    ("12 twice", {"volumes": ["team", "team"]}, "volumes"),
    ("13 a host path", {"volumes": [{"hostPath": {"path": "/"}}]}, "volumes.0"),
    ("13 by its name", {"volumes": ["hostPath:/"]}, "volumes"),
    ("14 mount the root", {"volumes": ["/"]}, "volumes"),
    ("14 mount /etc", {"mount": "/etc"}, "mount"),
    ("14 docker's socket", {"volumes": ["/var/run/docker.sock"]}, "volumes"),
    ("15 up and down", {"volumes": ["/data/../../etc"]}, "volumes"),
    ("16 sub path", {"sub_path": ".."}, "sub_path"),
    ("17 somebody else's volume", {"volumes": ["ada"]}, "volumes"),
    ("18 privileged", {"privileged": True}, "privileged"),
    ("18 security context", {"securityContext": {"runAsUser": 0}}, "securityContext"),
    ("19 service account", {"serviceAccountName": "hub"}, "serviceAccountName"),
    ("20 secrets", {"env": {"X": {"valueFrom": {"secretKeyRef": {"name": "hub"}}}}}, "env"),
    ("21 environment", {"env": {"LD_PRELOAD": "/tmp/x.so"}}, "env"),
    ("22 template", {**CUSTOM, "custom": "reg.io/ok/{username}"}, "custom"),
    ("22 expansion", {**CUSTOM, "custom": "reg.io/ok/$(HOME)"}, "custom"),
    ("23 label", {"labels": {"é": "x" * 64}}, "labels"),
    ("a private key", {"ssh": "on", "ssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}, "ssh_key"),
    ("a key's options", {"ssh": "on", "ssh_key": 'command="x" ssh-rsa AAAA'}, "ssh_key"),
    ("half a key", {"ssh": "on", "ssh_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"}, "ssh_key"),
    ("SSH without a key", {"ssh": "on"}, "ssh_key"),
    ("an option of pip", {"requirements": "numpy\n--index-url http://evil"}, "requirements"),
    ("a package's address", {"requirements": "x @ http://evil/x.whl"}, "requirements"),
    ("no package", {"requirements": "rm -rf /"}, "requirements"),
    ("GPUs above one's limit", {"gpus": "4"}, "gpus"),
    ("GPUs above the type's limit", {"gpus": "3", "gpu_type": "a100"}, "gpus"),
    ("GPU type", {"gpu_type": "h100"}, "gpu_type"),
    ("CPUs", {"cpus": "3"}, "cpus"),
    ("memory", {"memory": "3G"}, "memory"),
    ("idle never, with GPUs", {"gpus": "1", "idle": "0"}, "idle"),
    ("idle below 0", {"idle": "-5"}, "idle"),
    ("wait for ever", {"wait": "100000"}, "wait"),
    ("flag", {"lend": "perhaps"}, "lend"),
    ("markup as a value", {"image": MARK}, "image"),
    ("markup as a key", {MARK: "1"}, ""),
]
IDS = [f"{row[0]}-{index}" for index, row in enumerate(ROWS)]


def refused(options: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_options(options, CLUSTER, None)
    return str(caught.value)


def as_form(options: dict[str, Any]) -> dict[str, list[str]] | None:
    """What a browser or a link would send, or None where text cannot say it."""
    lists = {k: v if isinstance(v, list) else [v] for k, v in options.items()}
    if not all(isinstance(v, str) for values in lists.values() for v in values):
        return None
    return parse_qs(urlencode(lists, doseq=True), keep_blank_values=True)


@pytest.mark.parametrize(("row", "options", "field"), ROWS, ids=IDS)
def test_every_way_in_names_the_field(row: str, options: dict[str, Any], field: str) -> None:
    """REST, form and link refuse the same wish, name the field, and never repeat the input."""
    said = [refused(options)]
    if (form := as_form(options)) is not None:
        said.append(refused(from_form({"form": ["1"], **form})))
        said.append(refused(from_query({f"opt-{key}": value for key, value in form.items()})))

    for sentence in said:
        assert sentence.startswith(f"{field}: " if field else "")
        assert "<" not in sentence
        assert "alert" not in sentence or field == ""
        assert len(sentence) < 600


@pytest.mark.parametrize("reference", ["reg.io/ok/torch", "reg.io/ok/a/b_c:1.2@sha256:" + "0" * 64])
def test_an_allowed_custom_image(reference: str) -> None:
    """What the pattern and the registry list allow is taken as it is."""
    spec = read_options({**CUSTOM, "custom": reference}, CLUSTER, None)

    assert reference == spec.custom


def test_text_becomes_values() -> None:
    """The form's words become the numbers of the model."""
    form = {
        "form": ["1"], "gpus": ["2"], "gpu_type": ["a100"], "cpus": ["2.5"], "memory": ["8G"],
        "idle": ["30"], "wait": ["5"], "lend": ["on"], "volumes": ["team"],
        "requirements": ["# mine\nnumpy >= 2\n\nrich"], "custom": ["typed, not chosen"],
    }  # fmt: skip

    assert LabSpec(
        image="torch", gpus=2, gpu_type="a100", cpus=2.5, memory=1 << 33, idle=30, wait=5,
        lend=True, volumes=("team",), requirements=("numpy >= 2", "rich"), tensorboard=False,
    ) == read_options(from_form(form), CLUSTER, None)  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from([*LabSpec.model_fields, "hostPath", "env", "user_options", "form"])
LIKELY = st.sampled_from(
    ["torch", "custom", "reg.io/ok/x", "evil.io/x", "team", "ada", "a100", "on", "1", "2", "8G", ""]
)
WISHES = st.dictionaries(FIELDS, JSON | LIKELY | st.lists(LIKELY, max_size=3), max_size=6)


def never_more_than_offered(wish: dict[str, Any]) -> None:
    try:
        spec = read_options(wish, CLUSTER, None)
    except InvalidRequest:
        return
    assert spec.image == "torch" or (
        spec.image == "custom" and spec.custom.startswith("reg.io/ok/")
    )
    assert set(spec.volumes) <= {"team"}
    assert 0 <= spec.gpus <= 3
    assert spec.cpus in {None, 1, 2.5}
    assert spec == LabSpec.from_wire(json.loads(json.dumps(spec.to_wire())))


@settings(max_examples=300, deadline=None)
@given(WISHES)
def test_no_wish_gets_more_than_is_offered(wish: dict[str, Any]) -> None:
    """Whatever JSON arrives is refused with a sentence, or is a lab of what the catalog offers."""
    never_more_than_offered(wish)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(WISHES)
def test_no_wish_of_many_gets_more_than_is_offered(wish: dict[str, Any]) -> None:
    """The same for 10,000 wishes."""
    never_more_than_offered(wish)
