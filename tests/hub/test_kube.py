"""Labs on a cluster: the pods that choices become, and how a start is told, without a cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fake_cluster import CATALOG, Cluster, a_spawner, pod_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kubernetes_asyncio.client.rest import ApiException
from traitlets import TraitError

from dllab_hub.hub.kube import LabKubeSpawner
from dllab_hub.hub.options import Refused
from dllab_hub.hub.podstart import PodStart
from dllab_hub.hub.story import Story
from dllab_hub.specs import LabSpec

GOLDEN = Path(__file__).parent / "golden"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada $(HOME)"
CHOICES: dict[str, dict[str, Any]] = {
    "cpu": {"image": "jax"},
    "gpu": {
        "image": "torch", "gpus": 2, "gpu_type": "a100", "cpus": 8, "memory": "64G",
        "volumes": ["team", "sets", "nas", "bucket", "remote"], "ssh": True, "ssh_key": KEY,
        "requirements": ["rich>=13"], "wait": 30, "idle": 60,
    },
    "custom": {"image": "custom", "custom": "registry.example.org/own/x:1", "gpus": 1},
}  # fmt: skip
#: As in zero-to-jupyterhub: everybody has a claim of their own, mounted as the home.
HOMES = {
    "volumes": {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}},
    "volume_mounts": {"home": {"name": "home", "mountPath": "/home/lab"}},
    "extra_annotations": {"team": "{username}"},
    "environment": {"FROM_ADMIN": "$(HOME)/x", "OF": "{username}"},
}


def plain(pod: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the versions of the hub and of KubeSpawner."""
    for name in list(pod["metadata"]["annotations"]):
        if name.endswith("-version"):
            del pod["metadata"]["annotations"][name]
    for container in pod["spec"]["containers"]:
        container["env"] = [e for e in container["env"] if not e["name"].startswith("J")]
    return pod


@pytest.mark.parametrize("name", CHOICES)
async def test_a_choice_is_this_pod(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole pod is as it was looked at once, and Kubernetes' own schema accepts it."""
    pod = plain(await pod_of(a_spawner(monkeypatch, KubeSpawner=HOMES), CHOICES[name]))
    path = GOLDEN / f"pod-{name}.yaml"

    assert yaml.safe_load(path.read_text()) == pod
    for version in ("1.32", "1.37"):
        kubernetes_validate.validate(pod, version, strict=True)


async def test_the_files_of_jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the claim of jobs a lab sees its person's event files, where the service says they are,
    and cannot change them."""
    monkeypatch.setenv("DLLAB_SHARED", str(tmp_path))
    shared = {"shared_claim": "jobs"}
    pod = await pod_of(a_spawner(monkeypatch, LabKubeSpawner=shared), {"image": "jax"})

    (lab,) = pod["spec"]["containers"]
    (mount,) = [one for one in lab["volumeMounts"] if one.get("subPath") == "tensorboard/ada"]
    env = {entry["name"]: entry["value"] for entry in lab["env"]}
    assert (tmp_path / "tensorboard" / "ada").is_dir()
    assert str(tmp_path / "tensorboard" / "ada") == mount["mountPath"]
    assert mount["mountPath"] == env["DLLAB_TENSORBOARD_LOGDIR"]
    assert mount["readOnly"]


@pytest.mark.parametrize("first", CHOICES)
async def test_nothing_of_one_lab_is_left_for_the_next(
    first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second pod of a spawner is what a fresh spawner makes, whatever the first one was."""
    used = a_spawner(monkeypatch, KubeSpawner=HOMES)
    before = {name: repr(getattr(used, name)) for name in used.trait_names(config=True)}
    await pod_of(used, CHOICES[first])
    changed = {name for name, value in before.items() if repr(getattr(used, name)) != value}
    for name, choice in CHOICES.items():
        fresh = await pod_of(a_spawner(monkeypatch, KubeSpawner=HOMES), choice)

        assert fresh == await pod_of(used, choice), name
    assert set() == changed


async def test_a_lab_is_restricted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any configuration a pod meets what Kubernetes calls the restricted standard."""
    pod = await pod_of(a_spawner(monkeypatch), {**CHOICES["gpu"], "requirements": ["rich"]})
    spec = pod["spec"]

    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    for container in (*spec["containers"], *spec["initContainers"]):
        assert {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        } == container["securityContext"]


async def test_text_of_a_person_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Kubernetes nor KubeSpawner fills anything in, except into the configuration."""
    pod = await pod_of(a_spawner(monkeypatch, KubeSpawner=HOMES), CHOICES["gpu"])
    env = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}

    assert KEY.replace("$", "$$") == env["DLLAB_SSH_KEY"]
    assert "gpus" in json.loads(env["DLLAB_LAB"])
    assert ("$(HOME)/x", "ada") == (env["FROM_ADMIN"], env["OF"])
    assert "ada" == pod["metadata"]["annotations"]["team"]


@pytest.mark.parametrize("user", ["..", "../../etc", "Ada L.", "a/b", "{username}", "é", "x" * 200])
async def test_a_name_is_no_path(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever somebody is called, their directory in a shared claim is one plain name."""
    pod = await pod_of(a_spawner(monkeypatch, user=user), {"volumes": ["team"]})
    mounts = {m["name"]: m for m in pod["spec"]["containers"][0]["volumeMounts"]}
    top, _, name = mounts["data-team"]["subPath"].partition("/")

    assert "homes" == top
    assert name.replace("-", "").isalnum()
    assert name.isascii()
    kubernetes_validate.validate(pod, "1.32", strict=True)


async def test_groups_decide_what_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A volume of some and a limit of a group are for nobody else."""
    rules = {"groups": {"staff": {"max_gpus": 8}}}
    staff = a_spawner(monkeypatch, groups=("staff",), LabCatalog=rules)

    assert "8" == (await pod_of(staff, {"gpus": 8}))["metadata"]["labels"]["dllab-hub/gpus"]
    assert "graces" in str(await a_spawner(monkeypatch, user="grace").catalog_of())
    for options, field in (({"volumes": ["graces"]}, "volumes"), ({"gpus": 8}, "gpus")):
        with pytest.raises(Refused, match=f"^{field}: "):
            await a_spawner(monkeypatch, LabCatalog=rules).check(options)


async def test_a_refused_wish_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 400 with the field, and what comes back preselected is the last good choice."""
    spawner = a_spawner(monkeypatch)
    spawner.user_options = spawner.orm_spawner.user_options = {"image": "evil.io/x"}

    with pytest.raises(Refused) as caught:
        await spawner._run_apply_user_options(spawner.user_options)

    assert (400, True) == (caught.value.status_code, str(caught.value).startswith("image: "))
    assert {} == spawner.user_options == spawner.orm_spawner.user_options


async def test_the_form_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same form as on one machine, with CPUs and memory to choose from."""
    page = await a_spawner(monkeypatch).get_options_form()

    for words in ("PyTorch 2.13", 'name="cpus"', 'name="memory"', 'name="custom"', "A100"):
        assert words in page


async def test_profiles_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ways to say what is offered would contradict each other."""
    with pytest.raises(TraitError, match="LabCatalog"):
        a_spawner(monkeypatch, KubeSpawner={"profile_list": [{"display_name": "x"}]})
    with pytest.raises(TraitError, match="absolute path"):
        a_spawner(monkeypatch, LabKubeSpawner={"home": "/home/../etc"})


# --- a start ------------------------------------------------------------------------------------


async def follow(
    spawner: LabKubeSpawner, options: dict[str, Any], *steps: Callable[[], None]
) -> tuple[BaseException | str, list[dict[str, Any]]]:
    """Start as the hub does, taking a step each second; the outcome, and what the page was told."""
    told: list[dict[str, Any]] = []

    async def listen() -> None:
        async for event in spawner.progress():
            told.append(event)

    await spawner._run_apply_user_options(options)
    future = spawner.start()
    listening = asyncio.create_task(listen())
    for step in steps:
        await asyncio.wait({future}, timeout=0.8)
        step()
    (outcome,) = await asyncio.gather(
        asyncio.wait_for(future, spawner.start_timeout), return_exceptions=True
    )
    listening.cancel()
    return outcome, told


def running(cluster: Cluster) -> Callable[[], None]:
    ready = [{"name": "notebook", "ready": True, "state": {"running": {}}}]
    return lambda: cluster.shows(phase="Running", podIP="10.0.1.1", containerStatuses=ready)


async def test_a_start_is_told_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """From waiting for GPUs to a server, each step is a plain sentence with what one can do."""
    cluster = Cluster()
    spawner = a_spawner(monkeypatch, cluster)
    usual = spawner.start_timeout
    taken = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu. preemption: none"
    outcome, told = await follow(
        spawner,
        {"gpus": 1, "wait": 5},
        lambda: cluster.says("FailedScheduling", taken),
        lambda: is_found(cluster),
        running(cluster),
    )
    said = [event["message"] for event in told]
    waits = next(event for event in told if "html_message" in event)

    assert "http://10.0.1.1:8888" == outcome
    assert [
        "Checking what you picked",
        "2 machines have such GPUs, and none has one free now. The lab starts as soon as they are "
        "free.",
        "A machine was found",
        "Downloading the image; the first time on a machine this takes minutes",
        "Starting Jupyter Server",
    ] == said
    assert 'href="/hub/spawn/ada?opt-' in waits["html_message"]
    assert 1 == len(cluster.made)
    await asyncio.sleep(0)
    assert usual == spawner.start_timeout


async def test_a_start_may_take_as_long_as_it_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub is told before it looks, and the usual time is back afterwards."""
    cluster = Cluster()
    spawner = a_spawner(monkeypatch, cluster)
    usual = spawner.start_timeout
    await spawner.check({"gpus": 1, "wait": 20})
    future = spawner.start()
    allowed = spawner.start_timeout
    future.cancel()
    await asyncio.wait({future})
    await asyncio.sleep(0)

    assert (usual + 1200, usual) == (allowed, spawner.start_timeout)


def no_machine(cluster: Cluster) -> None:
    cluster.says("FailedScheduling", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    cluster.says("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")


def is_found(cluster: Cluster) -> None:
    for reason in ("Scheduled", "Pulling", "Started"):
        cluster.says(reason, "x")


HOPELESS: list[tuple[dict[str, Any], Callable[[Cluster], None], str, int]] = [
    (
        {},
        lambda c: c.says("Failed", 'Failed to pull image "x": manifest unknown'),
        "There is no such image in its registry.",
        503,
    ),
    (
        {},
        lambda c: c.shows(
            containerStatuses=[
                {"name": "notebook", "ready": False, "state": {"terminated": {
                    "exitCode": 1, "reason": "Error", "message": "<b>no module</b>"}}}
            ]
        ),
        "The lab's server ended while it started (exit code 1).",
        503,
    ),
    (
        {"gpus": 4},
        no_machine,
        "One machine has such GPUs, and none has 4 free now.",
        409,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "step", "said", "code"), HOPELESS)
async def test_what_cannot_get_better_ends_at_once(
    options: dict[str, Any],
    step: Callable[[Cluster], None],
    said: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A final cause is told within seconds, not when the time is over; markup is escaped."""
    cluster = Cluster()
    outcome, _ = await asyncio.wait_for(
        follow(a_spawner(monkeypatch, cluster), options, lambda: step(cluster)), 30
    )

    assert isinstance(outcome, Refused)
    assert str(outcome).startswith(said)
    assert code == outcome.status_code
    assert "data-dllab" in outcome.jupyterhub_html_message
    assert "<b>" not in outcome.jupyterhub_html_message


async def test_an_older_pod_of_the_name_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left of a lab that crashed does not end the next start."""
    cluster = Cluster()
    spawner = a_spawner(monkeypatch, cluster)
    crashed = {"terminated": {"exitCode": 1, "reason": "Error", "message": ""}}
    cluster.shows(containerStatuses=[{"name": "notebook", "ready": False, "state": crashed}])
    cluster.says("Failed", "Failed to pull image: not found")
    conflicts = [True]

    async def conflict_first(namespace: str, pod: Any) -> None:
        if conflicts:
            conflicts.clear()
            raise ApiException(status=409)
        cluster.made.append(pod)

    async def delete(name: str, namespace: str, **_: Any) -> None:
        cluster.reflector.pods.clear()

    monkeypatch.setattr(cluster, "create_namespaced_pod", conflict_first)
    monkeypatch.setattr(cluster, "delete_namespaced_pod", delete)
    outcome, _ = await follow(spawner, {}, lambda: None, lambda: None, running(cluster))

    assert "http://10.0.1.1:8888" == outcome


@pytest.mark.parametrize(
    ("status", "text", "said", "code"),
    [
        (403, "exceeded quota: gpu", "This is more than the cluster's quota has left now.", 409),
        (422, "Invalid value", "The cluster refuses this lab.", 503),
    ],
)
async def test_a_cluster_that_refuses_is_understood(
    status: int, text: str, said: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the API server answers becomes a sentence, not an error of the hub."""
    cluster = Cluster()
    cluster.refuses = ApiException(status=status)
    cluster.refuses.body = json.dumps({"message": text})
    outcome, _ = await follow(a_spawner(monkeypatch, cluster), {})

    assert isinstance(outcome, Refused)
    assert (code, True) == (outcome.status_code, str(outcome).startswith(said))


async def test_a_start_that_takes_too_long_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the hub gives up without a word, the last known cause is told."""
    cluster = Cluster()
    spawner = a_spawner(monkeypatch, cluster, KubeSpawner={"start_timeout": 4})
    slow = 'Failed to pull image "x": i/o timeout'
    outcome, _ = await follow(spawner, {}, lambda: cluster.says("Failed", slow))

    assert isinstance(outcome, Refused)
    late = "The lab did not start in time. The image cannot be downloaded now"
    assert str(outcome).startswith(late)


async def test_kubespawner_gives_up_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own limit varies; its end is told in our words as well."""

    async def up() -> str:
        raise TimeoutError("pod labs/jupyter-ada did not start in 120 seconds!")

    start = PodStart(a_spawner(monkeypatch), Story())
    with pytest.raises(Refused, match=r"^The lab did not start in time\."):
        await start.run(up(), 120)


async def test_the_wish_is_read_again_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image that was taken off the list between click and start makes no pod."""
    cluster = Cluster()
    spawner = a_spawner(monkeypatch, cluster)
    await spawner.check({"image": "jax"})
    monkeypatch.setitem(spawner.config["LabCatalog"], "images", CATALOG["images"][:1])

    with pytest.raises(Refused, match=r"^image: there is no such image"):
        await spawner.start()
    assert [] == cluster.made


# --- whatever is asked for ------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*LabSpec.model_fields, "hostPath", "privileged", "serviceAccountName", "env", "volume_mounts"]
)
LIKELY = st.sampled_from(
    ["torch", "jax", "custom", "registry.example.org/own/x", "evil.io/x", "team", "sets", "graces",
     "a100", "mig", "on", "1", "2", "8G", "", "$(HOME)", "{username}", "/etc", "../..", KEY,
     "rich", "numpy==2.1"]
)  # fmt: skip
LISTS = st.lists(st.sampled_from(["team", "sets", "nas", "bucket", "remote"]), max_size=5)
GOOD: dict[str, Any] = {
    "image": st.sampled_from(["torch", "jax"]),
    "gpus": st.integers(0, 5),
    "gpu_type": st.sampled_from(["", "a100", "mig"]),
    "volumes": st.lists(st.sampled_from(["team", "sets", "nas", "bucket"]), unique=True),
    "requirements": st.lists(st.sampled_from(["rich", "numpy>=2"]), max_size=2),
    "memory": st.sampled_from([None, "8G"]),
}
WISHES = st.dictionaries(FIELDS, JSON | LIKELY | LISTS, max_size=6) | st.fixed_dictionaries(
    {}, optional={**GOOD, "ssh_key": LIKELY, "custom": LIKELY}
)
ROOTS = ("/home/lab/", "/data/", "/mnt/", "/dev/shm")


def is_harmless(pod: dict[str, Any]) -> None:
    """Nothing in a pod is more than the administrator has put into the catalog."""
    spec = pod["spec"]
    assert not {"hostPID", "hostNetwork", "hostIPC", "serviceAccountName"} & set(spec)
    assert spec["automountServiceAccountToken"] is False
    kinds = {kind for volume in spec["volumes"] for kind in volume} - {"name"}
    assert kinds <= {"emptyDir", "persistentVolumeClaim", "nfs", "csi"}
    claims = {v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"]
              if "persistentVolumeClaim" in v}  # fmt: skip
    assert claims <= {"team", "sets"}
    for container in (*spec["containers"], *spec.get("initContainers", [])):
        assert container["image"] in {i["container"] for i in CATALOG["images"]} or (
            container["image"].startswith("registry.example.org/own/")
        )
        assert "privileged" not in container["securityContext"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        for mount in container["volumeMounts"]:
            assert mount["mountPath"].startswith(ROOTS)
            assert ".." not in f"{mount['mountPath']}/{mount.get('subPath', '')}".split("/")
        assert all("valueFrom" not in entry for entry in container["env"])


def ask(spawner: LabKubeSpawner, runner: asyncio.Runner, wish: dict[str, Any]) -> bool:
    """Whether a pod came of it, which then is harmless."""
    try:
        pod = runner.run(pod_of(spawner, wish))
    except Refused as exc:
        assert 400 == exc.status_code
        return False
    is_harmless(pod)
    return True


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wish=WISHES)
def test_no_wish_makes_a_harmful_pod(wish: dict[str, Any], asked: Callable[..., bool]) -> None:
    """Whatever JSON is sent, it is refused with 400 or makes a pod of what is offered."""
    asked(wish)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(wish=WISHES)
def test_none_of_many_wishes_makes_a_harmful_pod(
    wish: dict[str, Any], asked: Callable[..., bool]
) -> None:
    """The same for 10,000."""
    asked(wish)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Send a wish to one spawner; in the end some must have made a pod and some not."""
    answers: list[bool] = []
    with asyncio.Runner() as runner:
        spawner = a_spawner(monkeypatch)
        yield lambda wish: answers.append(ask(spawner, runner, wish))
    assert {True, False} == set(answers)
