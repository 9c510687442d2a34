"""What the documents say is there, is there."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

import dllab_hub

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)


@pytest.mark.parametrize("name", READMES)
def test_the_code_in_a_readme_is_python(name: str) -> None:
    """Every Python block is a cell that IPython can read; what it imports from us exists."""
    found = blocks(name, "python")
    assert found
    for block in found:
        tree = ast.parse(TransformerManager().transform_cell(re.sub(r"^%%.*\n", "", block)))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dllab_hub"):
                module = import_module(node.module or "")
                assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md"])
def test_the_make_targets_exist(name: str) -> None:
    """Every ``make`` command that is named is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:^ {4}|^|`)make ([a-z-]+)", (ROOT / name).read_text(), re.M))

    assert named
    assert set() == named - targets


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md", "config/README.md"])
def test_links_lead_somewhere(name: str) -> None:
    """Every relative link is a file of the repository."""
    for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
        if "://" not in link:
            assert ((ROOT / name).parent / link).exists(), link


def test_public_names_exist() -> None:
    """Every name in ``dllab_hub.__all__`` can be imported."""
    assert all(getattr(dllab_hub, name) is not None for name in dllab_hub.__all__)


@pytest.mark.parametrize(
    "module", ["client", "errors", "leases", "names", "specs", "state", "testing", "transport"]
)
def test_all_is_true(module: str) -> None:
    """``__all__`` of a module names what is there."""
    found = import_module(f"dllab_hub.{module}")

    assert all(hasattr(found, name) for name in found.__all__)
