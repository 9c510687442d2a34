"""Arrows point one way: which part of the package may import which."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dllab_hub

ROOT = Path(dllab_hub.__file__).parent
_BASE = {"errors", "names", "state", "_version"}
_SPECS = {*_BASE, "plaintext", "specs"}
_SEAM = {
    "backends.Backend",
    "backends.base",
    "backends.admission",
    "backends.serving",
    "backends.calls",
    "backends.workspaces",
    "backends.archive",
    "backends.history",
    "backends.insight",
    "backends.notices",
    "backends.alerts",
    "backends.told",
}  # The interface, not a mechanism behind it.
#: What every backend decides alike.
_POLICY = {
    "backends.comparing",
    "backends.filtering",
    "backends.foreign",
    "backends.order",
    "backends.pausing",
    "backends.pieces",
    "backends.quota",
    "backends.quoting",
    "backends.replicas",
    "backends.room",
    "backends.source",
    "backends.thinning",
}
_LOCAL = {*_SPECS, "catalog", "diagnosis", "images", "leases", "shim", "metrics", "backends"}

#: part -> the other parts of the package it may import. Longest matching prefix wins.
ALLOWED: dict[str, set[str]] = {
    "__init__": {"_version"},
    "_version": set(),
    "errors": set(),
    "names": {"errors"},
    "plaintext": set(),
    "state": set(),
    "specs": {"errors", "names"},
    "runtime": set(),  # A worker has nothing of ours but this.
    # In a pod it is the shim of its replica.
    "runtime.launcher": {"runtime", "shim"},
    "runtime.pod_crew": {"runtime", "shim"},
    "runtime.pod_status": {"runtime", "shim"},
    "lockfile": {"errors"},
    "lease": {"errors"},
    "leases": {*_BASE, "lease", "lockfile"},
    "shim": {*_BASE, "leases"},
    "images": _SPECS,
    "settings": {"errors"},
    "catalog": {*_SPECS, "images", "settings"},
    "diagnosis": {*_SPECS, "images"},
    "manifests": _SPECS,
    "metrics": _SPECS,
    # What the administrator says is in the catalog's file.
    "metrics.alert_settings": {*_SPECS, "metrics", "settings"},
    "backends": _SPECS,
    "backends.local": _LOCAL,
    # What is kept of jobs is the same files, wherever they run.
    "backends.kubernetes": {*_LOCAL, "manifests", "settings"},
    # A job resumes by the rule by which its checkpoints are shown.
    "backends.local.checkpoints": {*_LOCAL, "runtime.formats"},
    # Its program lies there; it runs in the interpreter of an image.
    "backends.local.preflight": {*_LOCAL, "runtime.preflight"},
    # What the administrator says of it is in the catalog's file.
    "backends.local.retention": {*_LOCAL, "settings"},
    # What the administrator says is in the catalog's file.
    "backends.local.notices.rules": {*_LOCAL, "settings"},
    "backends.local.serving.pickles": {*_LOCAL, "settings"},
    "backends.remote": {
        *_SPECS,
        *_SEAM,
        "backends.remote_alerts",
        "backends.remote_history",
        "backends.remote_insight",
        "backends.remote_serving",
        "transport",
    },
    "backends.remote_alerts": {*_SPECS, *_SEAM, "transport"},
    "backends.remote_history": {*_SPECS, *_SEAM, "transport"},
    "backends.remote_insight": {*_SPECS, *_SEAM, "transport"},
    "backends.remote_serving": {*_SPECS, *_SEAM, "transport"},
    "exchange": {"errors"},
    "transport": {*_BASE, "exchange"},
    "testing": {*_SPECS, *_SEAM, *_POLICY},
    # What a lab's own processes read of its volumes, its server reads too.
    "server": {*_SPECS, *_SEAM, "metrics", "runtime.data"},
    # The one place in the server that chooses a backend.
    "server.extension": {*_LOCAL, "server"},
    "rows": {"errors"},
    "serving": {*_SPECS, "rows", "tables", "transport"},
    "admission": {*_SPECS, "transport"},
    "jobs": {*_SPECS, "transport", "workspace"},
    "history": {*_SPECS, "transport"},
    "client": {*_SPECS, "admission", "history", "jobs", "serving", "transport"},
    "ssh": {"errors"},  # On a person's own machine.
    "modules": _SPECS,
    "workspace": {*_SPECS, "transport"},
    "submission": {*_SPECS, "client", "modules", "runtime.data", "workspace"},
    "cell": {*_SPECS, "modules"},
    "tables": {*_SPECS, "plaintext"},  # What a terminal and a screen reader get.
    "cellof": _SPECS,
    "export": _SPECS,  # A network in a notebook becomes a file.
    "job": {*_SPECS, "cellof", "client", "submission", "tables"},
    "deployed": {*_SPECS, "client", "rows", "tables"},
    "deploying": {*_SPECS, "client", "deployed"},
    "widgets": {*_SPECS, "client", "deployed", "job", "tables"},
    "magics": {
        *_SPECS,
        "cell",
        "client",
        "deployed",
        "deploying",
        "export",
        "job",
        "plaintext",
        "rows",
        "submission",
        "tables",
        "widgets",
    },
    "hub": {
        *_SPECS,
        "backends.kubernetes.api",
        "backends.kubernetes.machines",
        "backends.local.capacity",
        "catalog",
        "diagnosis",
        "images",
        "leases",
        "manifests",
        "metrics",
        "settings",
        "shim",
    },
    "hub.service": {*_LOCAL, "hub", "server"},
    "up": {*_SPECS, "catalog", "images", "shim"},
    "cli": {
        *_SPECS,
        "leases",
        "images",
        "catalog",
        "client",
        "deployed",
        "deploying",
        "job",
        "plaintext",
        "ssh",
        "submission",
        "tables",
        "up",
        "metrics",
        "sharing",
    },
    "sharing": {*_SPECS, "images"},
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts), path


def imports(module: str, path: Path) -> Iterator[str]:
    """Dotted names inside the package that a file imports anywhere in its text."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    if module == "__init__":
        package = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.startswith("dllab_hub."):
                    yield name.name.removeprefix("dllab_hub.")
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = [*package[: len(package) - node.level + 1], *base]
            elif base[:1] == ["dllab_hub"]:
                base = base[1:]
            else:
                continue
            for name in node.names:
                yield ".".join([*base, name.name])


def rule(module: str) -> tuple[str, set[str]]:
    parts = module.split(".")
    for end in range(len(parts), 0, -1):
        key = ".".join(parts[:end])
        if key in ALLOWED:
            return key, ALLOWED[key]
    raise AssertionError(f"{module} has no row in ALLOWED: where does it belong?")


def below(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def refused(module: str, names: Iterator[str]) -> list[str]:
    own, allowed = rule(module)
    top = own.split(".")[0]
    return [
        name
        for name in names
        if not any(below(name, part) for part in allowed)
        and not below(name, own)
        # A package may use the general files beside it, never a part with a rule of its own.
        and not (below(name, top) and rule(name)[0] == top and own != top)
        and name not in {"", "__version__"}
    ]


@pytest.mark.parametrize(("module", "path"), [pytest.param(m, p, id=m) for m, p in modules()])
def test_arrows_point_one_way(module: str, path: Path) -> None:
    """A module imports only what its row of the table allows."""
    assert [] == refused(module, imports(module, path))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("specs.lab", "backends.base"),
        ("server.jobs", "backends.local.store"),
        ("runtime.checkpoint", "errors"),
        ("client", "server.jobs"),
        ("hub.form", "backends.local.store"),
    ],
)
def test_a_wrong_arrow_is_seen(module: str, name: str) -> None:
    """An import that the design forbids is reported."""
    assert [name] == refused(module, iter([name]))


def test_a_worker_needs_only_the_standard_library() -> None:
    """Runtime and shim import nothing at module level that a bare Python lacks."""
    import sys

    known = set(sys.stdlib_module_names) | {"dllab_hub"}
    bare = {"runtime", "shim", "lease", "leases", "lockfile", "errors", "names", "state"}
    foreign = []
    for module, path in modules():
        if module.split(".")[0] not in bare:
            continue
        for node in ast.parse(path.read_text()).body:
            names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            foreign += [(module, n) for n in names if n.split(".")[0] not in known]

    assert [] == foreign
