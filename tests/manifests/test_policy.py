"""Whatever a person wishes for, what goes to the cluster stays inside the policy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fake_cluster import CATALOG
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy import Fence, of_jobset, of_pod
from trainings import CLUSTER, ID, WISHES

from dllab_hub.backends.kubernetes.refusing import check_spec
from dllab_hub.catalog import assemble
from dllab_hub.errors import InvalidRequest
from dllab_hub.manifests.cluster import Cluster
from dllab_hub.manifests.environment import escape, lab_environment
from dllab_hub.manifests.lab import pod_settings
from dllab_hub.manifests.training import OWNER_ANNOTATION, OWNER_LABEL, jobset
from dllab_hub.names import slug
from dllab_hub.specs import Code, LabSpec, Role, TrainingSpec

OFFERED = assemble(CATALOG, (), "cluster").for_person("ada")
#: What is nasty in one way or another. A lone surrogate is no text, and is refused as none.
NASTY = (
    "$(HOME)", "$$(HOME)", "$$$(HOME)", "$", "$$", "a$", "$(", "$(DLLAB_RUN)", "; rm -rf /", "`id`",
    "../../etc", "\n", "\x1b[2J", "\u202e", "\u2028", "é" * 40, "🦊", "'\"\\", "-", "--help",
    "{{x}}", "%(x)s", "a" * 300, " ", "",
)  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(st.characters(exclude_characters="\0"), max_size=30)
NAMES = st.sampled_from(
    (
        "a",
        "0",
        "a-b",
        "x" * 40,
        "9" * 40,
        "a" + "-" * 38 + "b",
        "r0",
        "r1",
        "default",
        "kube-system",
    )
) | st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?\Z")
OWNERS = st.sampled_from(
    ("ada", "Ada@example.org", "..", "-", "x" * 255, "名前", "a\nb", "ada-76740216", "$(HOME)",
     "🦊" * 60)
) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)  # fmt: skip
VARIABLES = st.dictionaries(
    st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z")
    | st.sampled_from(("NVIDIA_VISIBLE_DEVICES", "PYTHONUNBUFFERED", "KUBERNETES_PORT", "A" * 128)),
    TEXTS,
    max_size=4,
)
WORDS = st.lists(TEXTS, max_size=4).map(tuple)


@st.composite
def codes(draw: st.DrawFn) -> Code:
    """Each of the four kinds."""
    kind = draw(st.sampled_from(("script", "module", "shell", "command")))
    words = draw(WORDS)
    if kind == "module":
        return Code(kind=kind, module="pkg.train", args=words)
    if kind == "command":
        return Code(kind=kind, args=(draw(TEXTS.filter(bool)), *words))
    filename = draw(st.sampled_from(("train.py", "-c", "a b/$(HOME).py", "é.py")))
    return Code(kind=kind, source="x", filename=filename, args=words)


@st.composite
def roles(draw: st.DrawFn, name: str, **fixed: Any) -> Role:
    """A role of this name, with whatever one may ask for."""
    wish = {
        "replicas": draw(st.integers(1, 1024)),
        "gpus": draw(st.integers(0, 8)),
        "cpus": draw(st.none() | st.floats(0.001, 1024)),
        "memory": draw(st.none() | st.integers(1 << 20, 1 << 50)),
        **fixed,
    }
    return Role(name=name, **wish)


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Keywords of a `TrainingSpec`, of any strategy."""
    strategy = draw(st.sampled_from(("single", "allreduce", "ps", "custom")))
    more: dict[str, Any] = {}
    if strategy == "single":
        several = [draw(roles("worker", replicas=1))]
    elif strategy == "allreduce":
        several = [draw(roles("worker", processes=draw(st.none() | st.integers(1, 64))))]
    elif strategy == "ps":
        chief = draw(roles("chief", replicas=1))
        several = [chief, draw(roles("ps")), draw(roles("worker"))]
    else:
        names = draw(st.lists(NAMES, min_size=1, max_size=16, unique=True))
        command = WORDS.filter(lambda words: not words or words[0])
        several = [draw(roles(name, command=draw(command))) for name in names]
        more["success_role"] = draw(st.none() | st.sampled_from(names))
    names = [volume.name for volume in OFFERED.volumes]
    return {
        "name": draw(NAMES),
        "image": draw(st.sampled_from([image.name for image in OFFERED.images])),
        "strategy": strategy,
        "code": draw(codes()),
        "roles": tuple(several),
        "env": draw(VARIABLES),
        "volumes": tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=5))),
        "max_restarts": draw(st.integers(0, 100)),
        "time_limit": draw(st.none() | st.integers(1, 90 * 86400)),
        **more,
    }


def fence(owner: str, id: str, cluster: Cluster = CLUSTER) -> Fence:
    """What the administrator has said, for the objects of one job."""
    volumes = OFFERED.volumes
    return Fence(
        images={image.container for image in OFFERED.images},
        claims={cluster.claim, *(volume.claim for volume in volumes if volume.claim)},
        drivers={volume.csi["driver"] for volume in volumes if volume.csi},
        owner=(OWNER_LABEL, slug(owner)),
        person=(OWNER_ANNOTATION, owner),
        namespace=cluster.namespace,
        own=(cluster.claim, (f"jobs/{id}/run/", f"tensorboard/{slug(owner)}/{id}/")),
    )


def check(owner: str, wish: dict[str, Any], queue: str = "") -> bool:
    """Whether it becomes an object; then it is inside the policy. Else it is refused in words."""
    id = f"{wish['name']}-b2c3d4f"
    cluster = CLUSTER.model_copy(update={"queue": queue})
    try:
        spec = TrainingSpec(**wish)
        check_spec(spec, OFFERED)
        made = jobset(id, owner, spec, OFFERED, cluster)
    except InvalidRequest as exc:
        assert exc.message
        return False
    assert [] == of_jobset(made, fence(owner, id, cluster))
    return True


@settings(max_examples=300, deadline=None)
@given(OWNERS, wishes(), st.sampled_from(("", "labs")))
def test_no_wish_leaves_the_policy(owner: str, wish: dict[str, Any], queue: str) -> None:
    """Hundreds of wishes, as odd as they come, become objects that every rule accepts."""
    check(owner, wish, queue)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(
    max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
@given(OWNERS, wishes(), st.sampled_from(("", "labs")))
def test_no_wish_of_ten_thousand_leaves_the_policy(
    owner: str, wish: dict[str, Any], queue: str
) -> None:
    """The same of ten thousand wishes."""
    check(owner, wish, queue)


def test_most_wishes_become_objects() -> None:
    """The wishes that are tried are not ones that are refused anyway."""
    found: list[bool] = []

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(OWNERS, wishes())
    def count(owner: str, wish: dict[str, Any]) -> None:
        found.append(check(owner, wish))

    count()
    assert sum(found) > len(found) / 3


@pytest.mark.parametrize("what", ["VISIBLE_DEVICES", "MIG_CONFIG_DEVICES", "IMEX_CHANNELS"])
def test_a_variable_gets_nobody_a_gpu(what: str) -> None:
    """What NVIDIA's container runtime reads is the lab's to say, and not a person's."""
    with pytest.raises(InvalidRequest, match="set by the lab itself"):
        TrainingSpec(
            name="digits", image="torch", code=Code(source="x"), env={f"NVIDIA_{what}": "all"}
        )


def test_roles_have_names_of_their_own() -> None:
    """A role that is called as the number of another is not taken for it."""
    names = ("a-role-with-a-long-name", "r0", "another-long-role-name", "r2")
    wish = {"strategy": "custom", "roles": tuple(Role(name=name) for name in names)}

    assert check("ada", {"name": "x", "image": "torch", "code": Code(source="x"), **wish})


LARGE = "é" * 600_000
WIDE = tuple(Role(name=f"n{n}") for n in range(16))


@pytest.mark.parametrize(
    "more",
    [
        {"env": {"A": LARGE}},
        {"env": {"A": "$" * 600_000}},
        {"env": {f"A{n}": "x" * 5000 for n in range(256)}},
        {"code": Code(source="x", args=(LARGE,))},
        {"strategy": "custom", "roles": (Role(command=("true", LARGE)),)},
        {"strategy": "custom", "roles": WIDE, "env": {"A": "x" * 100_000}},
    ],
    ids=["variable", "dollars", "variables", "words", "command", "roles"],
)
def test_a_large_wish_is_refused(more: dict[str, Any]) -> None:
    """What etcd does not take is refused before, with a sentence that names what is too large."""
    wish = {"name": "large", "image": "torch", "code": Code(source="x"), **more}
    with pytest.raises(InvalidRequest, match=r"too large|larger than"):
        jobset("large-b2c3d4f", "ada", TrainingSpec(**wish), OFFERED, CLUSTER)


def test_code_does_not_travel_in_the_object() -> None:
    """Four megabytes of code make an object of some kilobytes."""
    spec = TrainingSpec(name="large", image="torch", code=Code(source="x" * (4 << 20)))
    made = jobset("large-b2c3d4f", "ada", spec, OFFERED, CLUSTER)

    assert [] == of_jobset(made, fence("ada", "large-b2c3d4f"))
    assert len(json.dumps(made)) < 10_000


# The rules themselves: each is seen to refuse something.

Break = Callable[[dict[str, Any]], Any]


def pod(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = made["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    return found


def worker(made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(made)["spec"]["containers"][0]
    return found


def in_pod(**more: Any) -> Break:
    return lambda made: pod(made)["spec"].update(more)


def in_context(**more: Any) -> Break:
    return lambda made: pod(made)["spec"]["securityContext"].update(more)


def without_context(key: str) -> Break:
    return lambda made: pod(made)["spec"]["securityContext"].pop(key)


def in_worker(**more: Any) -> Break:
    return lambda made: worker(made).update(more)


def in_security(**more: Any) -> Break:
    return lambda made: worker(made)["securityContext"].update(more)


def variable(**entry: Any) -> Break:
    return lambda made: worker(made)["env"].append({"name": "X", **entry})


def volume(**source: Any) -> Break:
    return lambda made: pod(made)["spec"]["volumes"].append({"name": "x", **source})


def mount(**entry: Any) -> Break:
    more = {"name": "run", "mountPath": "/x", "subPath": f"jobs/{ID}/run", **entry}
    return lambda made: worker(made)["volumeMounts"].append(more)


def label(key: str, value: str) -> Break:
    return lambda made: made["metadata"]["labels"].update({key: value})


def note(key: str, value: str) -> Break:
    return lambda made: made["metadata"]["annotations"].update({key: value})


def before(**more: Any) -> Break:
    """A container that runs before the others, which is as they are but for this."""

    def add(made: dict[str, Any]) -> None:
        pod(made)["spec"]["initContainers"] = [
            {**copy.deepcopy(worker(made)), "name": "first", **more}
        ]

    return add


SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
BROKEN: list[tuple[str, Break]] = [
    ("no such setting is allowed", in_pod(hostNetwork=True)),
    ("no such setting is allowed", in_pod(hostPID=True)),
    ("no such setting is allowed", in_pod(hostIPC=True)),
    ("no such setting is allowed", in_pod(serviceAccountName="hub")),
    ("no such setting is allowed", in_pod(serviceAccount="hub")),
    ("no such setting is allowed", in_pod(nodeName="control")),
    ("no such setting is allowed", in_pod(ephemeralContainers=[])),
    ("no such setting is allowed", in_pod(shareProcessNamespace=True)),
    ("no such setting is allowed", in_worker(envFrom=[{"secretRef": {"name": "s"}}])),
    ("no such setting is allowed", in_worker(volumeDevices=[])),
    ("account of the cluster", in_pod(automountServiceAccountToken=True)),
    ("account of the cluster", lambda made: pod(made)["spec"].pop("automountServiceAccountToken")),
    ("priority", in_pod(priorityClassName="system-node-critical")),
    ("sysctl", in_context(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
    ("root", in_context(runAsUser=0)),
    ("root", in_security(runAsUser=0)),
    ("may be root", in_context(runAsNonRoot=False)),
    ("may be root", without_context("runAsNonRoot")),
    ("may be root", in_security(runAsNonRoot=False)),
    ("seccomp", without_context("seccompProfile")),
    ("seccomp", in_context(seccompProfile={"type": "Unconfined"})),
    ("seccomp", in_security(seccompProfile={"type": "Unconfined"})),
    ("AppArmor", in_security(appArmorProfile={"type": "Unconfined"})),
    ("SELinux", in_context(seLinuxOptions={"type": "spc_t"})),
    ("SELinux", in_security(seLinuxOptions={"role": "r"})),
    ("proc", in_security(procMount="Unmasked")),
    ("process of the node", in_context(windowsOptions={"hostProcess": True})),
    ("privileged", in_security(privileged=True)),
    ("privilege escalation", in_security(allowPrivilegeEscalation=True)),
    ("privilege escalation", in_worker(securityContext={"capabilities": {"drop": ["ALL"]}})),
    ("capabilities are not dropped", in_security(capabilities={"drop": ["NET_RAW"]})),
    ("capabilities are added", in_security(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
    ("port of the node", in_worker(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("host of a probe", in_worker(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 1}})),
    ("host of a probe", in_worker(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1"}}})),
    ("image", in_worker(image="registry.example.org/lab/torch:2.13\n")),
    ("image", in_worker(image="registry.example.org/lab/torch:2.13.evil")),
    ("image", before(image="docker.io/evil")),
    ("privileged", before(securityContext={"privileged": True})),
    ("capabilities are not dropped", before(securityContext={})),
    ("variable from elsewhere", variable(valueFrom=SECRET)),
    ("variable from elsewhere", variable(valueFrom={"fieldRef": {"fieldPath": "spec.nodeName"}})),
    ("variable from elsewhere", before(env=[{"name": "X", "valueFrom": SECRET}])),
    ("a reference in a variable", variable(value="$(HOME)")),
    ("a reference in a variable", variable(value="$$$(HOME)")),
    ("a reference in a variable", variable(value="a$b$(HOME)")),
    ("a reference in a variable", variable(value="a\0b")),
    ("name of a variable", variable(name="A=B", value="")),
    ("GPUs that nobody counts", variable(name="NVIDIA_VISIBLE_DEVICES", value="all")),
    ("a reference in the command", in_worker(command=["sh", "-c", "echo $(X)"])),
    ("a reference in the command", in_worker(args=["$(X)"])),
    ("quantity", in_worker(resources={"limits": {"cpu": "nan"}})),
    ("quantity", in_worker(resources={"requests": {"nvidia.com/gpu": "-1"}})),
    ("kind of volume", volume(hostPath={"path": "/"})),
    ("kind of volume", volume(nfs={"server": "10.0.0.5", "path": "/"})),
    ("kind of volume", volume(secret={"secretName": "hub"})),
    ("kind of volume", volume(projected={"sources": []})),
    ("kind of volume", volume()),
    ("claim", volume(persistentVolumeClaim={"claimName": "grace"})),
    ("driver", volume(csi={"driver": "hostpath.csi.k8s.io"})),
    ("secret", volume(csi={"driver": "s3.csi.example.org", "nodePublishSecretRef": {"name": "s"}})),
    ("volume names", volume(name="run", emptyDir={})),
    ("sub path", mount(subPath=f"jobs/{ID}/run/../..")),
    ("sub path", mount(subPath="/etc")),
    ("sub path", mount(subPathExpr="$(X)")),
    ("another job's directory", mount(subPath="jobs/other-b2c3d4f/run")),
    ("another job's directory", mount(subPath=f"jobs/{ID}/run2")),
    ("another job's directory", mount(subPath="")),
    ("no such volume", mount(name="y")),
    ("mount path", mount(mountPath="x")),
    ("mount path", mount(mountPath="/x:/y")),
    ("mounts of the node", mount(mountPropagation="Bidirectional")),
    ("two at one place", mount(mountPath="/dllab/run/")),
    ("owner", label("dllab-hub/owner", "grace")),
    ("owner", note("dllab-hub/owner", "grace")),
    ("owner", lambda made: pod(made)["metadata"]["labels"].update({OWNER_LABEL: "grace"})),
    ("owner", lambda made: pod(made)["metadata"].pop("annotations")),
    ("label", label("x", "a b")),
    ("label", label("x", "a" * 64)),
    ("label", label("x", "-a")),
    ("label", label("x", "a\n")),
    ("label", label("x" * 64, "a")),
    ("label", label("UPPER.example.org/x", "a")),
    ("annotations", note("x", "a" * 20_000)),
    ("annotation of a profile", note("container.apparmor.security.beta.kubernetes.io/w", "x")),
    ("name", lambda made: made["metadata"].update(name="9digits")),
    ("name", lambda made: made["metadata"].update(name="t" * 64)),
    ("pod name", lambda made: made["metadata"].update(name="t" * 50)),
    ("namespace", lambda made: made["metadata"].update(namespace="labs")),
    ("size", in_worker(args=["x" * (1 << 20)])),
    ("two jobs", lambda made: made["spec"]["replicatedJobs"].append(
        made["spec"]["replicatedJobs"][0])),
    ("no such job", lambda made: made["spec"].update(
        successPolicy={"targetReplicatedJobs": ["x"]})),
    ("container names", before(name="worker")),
    ("container names", in_worker(name="Worker")),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "spoil"), BROKEN)
def test_each_rule_refuses_something(rule: str, spoil: Break) -> None:
    """An object that was good is found to be bad by the rule that is meant."""
    owner = "Ada@example.org"
    made = json.loads(json.dumps(jobset(ID, owner, WISHES["allreduce"], OFFERED, CLUSTER)))
    assert [] == of_jobset(made, fence(owner, ID))
    spoil(made)

    assert any(found.startswith(f"{rule}:") or found.startswith(rule) for found in of_jobset(
        made, fence(owner, ID)))  # fmt: skip


# Labs: what of a pod the wish decides. The rest is the administrator's, and as zero-to-jupyterhub
# has it; labs lie in a namespace of their own, in which NFS may be mounted.

LABS = st.fixed_dictionaries(
    {"image": st.sampled_from([*(image.name for image in OFFERED.images), "custom"])},
    optional={
        "custom": st.sampled_from(
            ("registry.example.org/own/x:1", "registry.example.org/own/x:1\n", "evil.example/own/x")
        ),
        "gpus": st.integers(0, 4),
        "gpu_type": st.sampled_from(("", "a100", "mig")),
        "cpus": st.sampled_from((2, 8)),
        "memory": st.sampled_from((8 << 30, 64 << 30)),
        "volumes": st.lists(st.sampled_from([v.name for v in OFFERED.volumes]), unique=True),
        "requirements": st.lists(
            st.sampled_from(("numpy", "rich>=13", "x; python_version>'3'", "$(HOME)", "-r /etc/x")),
            max_size=3,
        ),
        "ssh": st.booleans(),
        "ssh_key": st.sampled_from(("", "ssh-ed25519 AAAA $(HOME)", "x\ny")),
    },
)
CONTEXT = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip
CONFIGURED: dict[str, Any] = {
    "image": "",
    **dict.fromkeys(("cpu_limit", "cpu_guarantee", "mem_limit", "mem_guarantee")),
    "extra_resource_limits": {},
    "extra_resource_guarantees": {},
    "node_selector": {},
    "tolerations": [],
    "volumes": [],
    "volume_mounts": [],
    "init_containers": [],
    "extra_labels": {},
    "extra_container_config": {},
    "environment": {},
    "security": CONTEXT,
}


def lab_pod(made: dict[str, Any], variables: dict[str, str]) -> dict[str, Any]:
    """What KubeSpawner makes of the settings, as far as they decide about it."""
    container = {
        "name": "notebook",
        "image": made["image"],
        "env": [{"name": key, "value": escape(value)} for key, value in variables.items()],
        "volumeMounts": made["volume_mounts"],
        "resources": {"limits": made["extra_resource_limits"]},
        "securityContext": CONTEXT,
        **made["extra_container_config"],
    }
    return {
        "metadata": {"labels": made["extra_labels"]},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [container],
            "initContainers": made["init_containers"],
            "nodeSelector": made["node_selector"],
            "tolerations": made["tolerations"],
            "volumes": made["volumes"],
        },
    }


@settings(max_examples=200, deadline=None)
@given(OWNERS, LABS)
def test_no_lab_leaves_the_policy(owner: str, wish: dict[str, Any]) -> None:
    """What a wish decides of a lab's pod is inside the policy, whatever it is."""
    try:
        spec = LabSpec.from_wire(wish).check(OFFERED)
        made = pod_settings(spec, OFFERED, CONFIGURED, "/home/lab", slug(owner))
    except InvalidRequest:
        return
    found = lab_pod(made, lab_environment(spec, OFFERED, "/home/lab"))
    around = fence(owner, ID)
    own = "registry.example.org/own/x:1"
    more = {"images": {*around.images, own}, "owner": ("", ""), "person": ("", ""), "own": ("", ())}

    assert [] == of_pod(found, replace(around, kinds={*around.kinds, "nfs"}, **more))
