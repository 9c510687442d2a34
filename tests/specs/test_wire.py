"""The wire format: what goes out comes back, and what is wrong is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dllab_hub.errors import DLLabError, InvalidRequest
from dllab_hub.specs import (
    Catalog,
    Code,
    Image,
    JobState,
    LabSpec,
    ReplicaStatus,
    Role,
    TrainingJob,
    TrainingSpec,
    Volume,
)

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
LABS = st.builds(
    LabSpec,
    image=NAMES,
    gpus=st.integers(0, 64),
    volumes=st.lists(NAMES, unique=True, max_size=4).map(tuple),
    tensorboard=st.booleans(),
)
SPECS = st.builds(
    TrainingSpec,
    name=NAMES,
    image=NAMES,
    code=st.builds(
        Code,
        source=TEXT.filter(bool),
        args=st.lists(TEXT, max_size=3).map(tuple),
        files=st.dictionaries(NAMES.map(lambda name: f"{name}.py"), TEXT, max_size=3),
    ),
    roles=st.tuples(st.builds(Role, replicas=st.integers(1, 1024), gpus=st.integers(0, 64))),
    max_restarts=st.integers(0, 100),
    checkpoint_every=st.integers(1, 10**9),
    env=st.dictionaries(st.sampled_from(["SEED", "_x", "Lr2"]), TEXT, max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def a_spec(**changes: object) -> dict[str, object]:
    wire = TrainingSpec(name="digits", image="pytorch", code=Code(source="pass")).to_wire()
    return {**wire, **changes}


@given(LABS)
def test_a_lab_survives_the_wire(spec: LabSpec) -> None:
    """A lab's choice read back from its JSON equals what was sent."""
    assert spec == LabSpec.from_wire(json.loads(json.dumps(spec.to_wire())))


@given(SPECS)
def test_a_training_survives_the_wire(spec: TrainingSpec) -> None:
    """A training wish read back from its JSON equals what was sent."""
    assert spec == TrainingSpec.from_wire(json.loads(json.dumps(spec.to_wire())))


@given(JSON, st.sampled_from([LabSpec, TrainingSpec, Catalog, TrainingJob]))
def test_any_json_is_a_value_or_an_invalid_request(data: object, kind: type[LabSpec]) -> None:
    """Whatever JSON arrives gives a value or `InvalidRequest`, never another exception."""
    try:
        kind.from_wire(data)
    except InvalidRequest as exc:
        assert str(exc)


@given(st.sampled_from(sorted(a_spec())), JSON)
def test_any_field_may_be_wrong(field: str, data: object) -> None:
    """One field replaced by any JSON gives a value or an error that names that field."""
    try:
        TrainingSpec.from_wire(a_spec(**{field: data}))
    except InvalidRequest as exc:
        assert exc.field.startswith(field) or not exc.field


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"image": "pytorch", "gpus": "1"}, "gpus"),
        ({"image": "pytorch", "gpus": -1}, "gpus"),
        ({"image": "pytorch", "gpus": 1.5}, "gpus"),
        ({"image": "pytorch", "gpus": True}, "gpus"),
        ({"image": "pytorch", "gpus": 10**9}, "gpus"),
        ({"image": "pytorch\n"}, "image"),
        ({"image": "../pytorch"}, "image"),
        ({"image": "<img onerror=alert(1)>"}, "image"),
        ({"image": "x" * 200_000}, "image"),
        ({"image": "pytorch", "gpu": 1}, "gpu"),
        ({"image": "pytorch", "volumes": ["a", "a"]}, "volumes"),
        ({"image": "pytorch", "volumes": ["/etc"]}, "volumes.0"),
        ({"image": "pytorch", "volumes": "data"}, "volumes"),
        ({}, "image"),
    ],
)
def test_a_wrong_lab_names_its_field(data: object, field: str) -> None:
    """Each wrong choice of a lab is refused with the field's name."""
    with pytest.raises(InvalidRequest) as caught:
        LabSpec.from_wire(data)

    assert field == caught.value.field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "../../x"}, "name"),
        ({"name": "<b>x</b>"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"roles": [{"replicas": 0}]}, "roles.0.replicas"),
        ({"roles": [{"replicas": 10**6}]}, "roles.0.replicas"),
        ({"roles": []}, "roles"),
        ({"roles": [{"name": "ps"}]}, "roles.0.name"),
        ({"strategy": "magic"}, "strategy"),
        ({"code": {"source": ""}}, "code.source"),
        ({"code": {"source": "x", "filename": "/etc/passwd"}}, "code.filename"),
        ({"code": {"source": "x", "files": {"../x.py": ""}}}, "code.files"),
        ({"code": {"source": "x", "args": ["a\0b"]}}, "code.source"),
        ({"env": {"LD_PRELOAD": "x"}}, "env.LD_PRELOAD"),
        ({"env": {"DLLAB_JOB_ID": "x"}}, "env.DLLAB_JOB_ID"),
        ({"env": {"JOB_COMPLETION_INDEX": "0"}}, "env.JOB_COMPLETION_INDEX"),
        ({"env": {"JUPYTERHUB_API_TOKEN": "x"}}, "env.JUPYTERHUB_API_TOKEN"),
        ({"env": {"a b": "x"}}, "env"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"state": "SUCCEEDED"}, "state"),
    ],
)
def test_a_wrong_training_names_its_field(changes: dict[str, object], field: str) -> None:
    """Each wrong training wish is refused with the field's path."""
    with pytest.raises(InvalidRequest) as caught:
        TrainingSpec.from_wire(a_spec(**changes))

    assert field == caught.value.field


def test_a_misspelt_key_gets_a_suggestion() -> None:
    """An unknown key close to a known one is answered with the known one."""
    with pytest.raises(InvalidRequest, match="Did you mean gpus"):
        LabSpec.from_wire({"image": "pytorch", "gpu": 1})


def test_the_input_is_never_echoed() -> None:
    """Markup in a wrong value does not come back in the message."""
    with pytest.raises(InvalidRequest) as caught:
        LabSpec.from_wire({"image": "<script>alert(1)</script>", "<script>": 1})

    assert "<" not in str(caught.value)


def test_by_hand_and_from_the_wire_are_the_same_check() -> None:
    """Constructing a value in Python raises what reading it from JSON raises."""
    with pytest.raises(InvalidRequest) as by_hand:
        Role(replicas=0)
    with pytest.raises(InvalidRequest) as from_wire:
        Role.from_wire({"replicas": 0})

    assert str(by_hand.value) == str(from_wire.value)


def test_values_are_frozen() -> None:
    """A value cannot be changed after it was made."""
    spec = LabSpec(image="pytorch")
    with pytest.raises(ValueError, match="frozen"):
        spec.gpus = 3  # type: ignore[misc]


def test_a_catalog_names_what_it_offers() -> None:
    """A choice outside the catalog is refused with the choices there are."""
    catalog = Catalog(
        images=(Image(name="pytorch", title="PyTorch", framework="pytorch", version="2.13"),),
        volumes=(Volume(name="sets", title="Sets", path="/sets"),),
        default_image="pytorch",
        max_gpus=2,
    )
    assert LabSpec(image="pytorch", volumes=("sets",), gpus=2).check(catalog)
    with pytest.raises(InvalidRequest, match="Choose one of: pytorch"):
        LabSpec(image="jax").check(catalog)
    with pytest.raises(InvalidRequest, match="Choose from: sets"):
        LabSpec(image="pytorch", volumes=("nas",)).check(catalog)
    with pytest.raises(InvalidRequest, match="2 GPUs at most"):
        LabSpec(image="pytorch", gpus=3).check(catalog)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"default_image": "jax"}, "default_image"),
        ({"images": ()}, "images"),
        ({"volumes": ({"name": "a", "title": "A", "path": "data"},)}, r"volumes\.0\.path"),
        ({"volumes": ({"name": "a", "title": "A", "path": "/a/../etc"},)}, r"volumes\.0\.path"),
    ],
)
def test_a_wrong_catalog_names_its_entry(changes: dict[str, object], match: str) -> None:
    """A catalog that cannot work is refused with the entry's path."""
    image = {"name": "pytorch", "title": "PyTorch", "framework": "pytorch", "version": "2.13"}
    with pytest.raises(InvalidRequest, match=match):
        Catalog.from_wire({"images": [image], "default_image": "pytorch", **changes})


def test_totals_count_every_replica() -> None:
    """A wish knows how many processes and GPUs it needs in all."""
    spec = TrainingSpec.from_wire(a_spec(roles=[{"replicas": 3, "gpus": 2}]))

    assert (3, 6) == (spec.replicas, spec.gpus)


def test_only_ended_states_are_terminal() -> None:
    """A job that may still change is not terminal."""
    assert {"SUCCEEDED", "FAILED", "CANCELLED", "LOST"} == {s for s in JobState if s.is_terminal}
    assert {"RUNNING", "RESTARTING"} == {s for s in JobState if s.is_running}


def test_a_replica_is_named_by_role_and_index() -> None:
    """A replica's name is its role and index."""
    replica = ReplicaStatus(role="worker", index=1, attempt=1, state=JobState.RUNNING)

    assert "worker-1" == replica.name


@pytest.mark.parametrize(
    "kind",
    [kind for kind in DLLabError.__subclasses__() if kind.__module__ == DLLabError.__module__],
)
def test_errors_survive_the_wire(kind: type[DLLabError]) -> None:
    """The exception a client raises is the one the server raised, with all its parts."""
    sent = kind("It broke.", hint="Mend it.", field="a.b", line=3)
    got = DLLabError.from_wire(kind.status, json.loads(json.dumps(sent.to_wire())))

    assert (kind, vars(sent)) == (type(got), vars(got))


@pytest.mark.parametrize("body", [None, [], "<html>", {"error": "x"}, {"message": "x"}])
def test_a_strange_answer_is_an_error_too(body: object) -> None:
    """An answer that is not ours becomes an error of its status, with a sentence."""
    got = DLLabError.from_wire(503, body)

    assert "status 503" in str(got)
    assert 503 == got.status
