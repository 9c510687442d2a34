"""`Variables`: whether the environment has what the code insists on."""

from __future__ import annotations

import ast
import os
from collections.abc import Collection

from .findings import Findings
from .literal import called
from .reach import ENV, NEVER, SURE, Levels
from .source import Source

__all__ = ("Variables",)

_TORCHRUN = {
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"),
    *("MASTER_ADDR", "MASTER_PORT"),
}
#: What reads TF_CONFIG on its own.
_READS_TF_CONFIG = {
    "ParameterServerStrategy",
    "ParameterServerStrategyV2",
    "TFConfigClusterResolver",
    "MultiWorkerMirroredStrategy",
}
#: Whoever calls one of them may have put anything into the environment.
_LOADS = {"load_dotenv", "read_env", "dotenv", "exec", "putenv", "load_env", "init_distributed"}
#: Libraries set variables that are named for them or what they stand on.
_LIBRARIES = {
    *("torch", "pytorch", "tf", "keras", "jax", "xla", "hf", "cuda", "nccl", "gloo", "omp", "mkl"),
    *("kmp", "wandb", "mlflow", "deepspeed", "accelerate", "ray", "horovod", "hydra", "mpi"),
}


class Variables:
    """Collects what the code reads and sets, and says at the end what is missing.

    Args:
        findings: Gets what is found.
        strategy: Of the job.

    Attributes:
        SEES: Types of nodes that `see` wants.
    """

    SEES = (ast.Subscript, ast.Call, ast.AugAssign, ast.Assign, ast.Attribute, ast.Name)

    def __init__(self, findings: Findings, strategy: str) -> None:
        self._findings = findings
        self._strategy = strategy
        self._reads: list[tuple[str, Source, int, int]] = []
        self._uses: list[tuple[str, Source, int]] = []
        self._sets: set[str] = set()
        self._anything = False

    def see(self, source: Source, node: ast.AST, levels: Levels) -> None:
        """A node of a file."""
        level = levels[ENV]
        if isinstance(node, ast.Subscript) and _is_environ(node.value):
            name = source.literals.text(node.slice)
            if isinstance(node.ctx, ast.Load):
                if name is not None and level > NEVER:
                    self._reads.append((name, source, node.lineno, level))
            elif name is None:
                self._anything = True
            else:
                self._sets.add(name)
        elif isinstance(node, ast.Call):
            self._call(source, node, level)
        elif isinstance(node, ast.AugAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            self._anything |= any(map(_is_environ, targets))
        elif isinstance(node, ast.Attribute | ast.Name):
            word = node.attr if isinstance(node, ast.Attribute) else node.id
            if word in _READS_TF_CONFIG and isinstance(node.ctx, ast.Load) and level > NEVER:
                self._uses.append((word, source, node.lineno))

    def report(self, foreign: Collection[str]) -> None:
        """Say what is missing.

        Args:
            foreign: Top-level names of the packages that are imported.
        """
        libraries = _LIBRARIES | {name.lower() for name in foreign}
        for name, source, line, level in self._reads:
            if name in os.environ or name in self._sets or self._anything:
                continue
            if wrong := self._wrong_strategy(name):
                sure = level == SURE
                self._findings.add(
                    "environment", wrong[0], file=source.path, line=line, hint=wrong[1], error=sure
                )
            elif level == SURE:
                self._findings.add(
                    "environment",
                    f"the job has no environment variable {name}.",
                    file=source.path,
                    line=line,
                    hint=f"Give it one: --env {name}=VALUE",
                    # A library that was imported before may have set it.
                    error=name.lower().partition("_")[0] not in libraries,
                )
        self._report_uses()

    def _report_uses(self) -> None:
        for word, source, line in self._uses:
            if word == "init_process_group" and self._strategy == "ps" and "RANK" not in self._sets:
                self._findings.add(
                    "environment",
                    "torch.distributed finds its ranks in torchrun's variables, and the strategy "
                    "ps sets none.",
                    file=source.path,
                    line=line,
                    hint="Choose the strategy allreduce.",
                )
            elif word in _READS_TF_CONFIG and not (
                self._strategy == "ps" or "TF_CONFIG" in {*os.environ, *self._sets}
            ):
                self._findings.add(
                    "environment",
                    f"{word} finds its cluster in TF_CONFIG, and the strategy {self._strategy} "
                    "does not set it: each process would train alone.",
                    file=source.path,
                    line=line,
                    hint="Choose the strategy ps, or set TF_CONFIG.",
                )

    def _wrong_strategy(self, name: str) -> tuple[str, str] | None:
        if name in _TORCHRUN and self._strategy == "ps":
            return (
                f"{name} is of torchrun's variables, and the strategy ps does not set them.",
                "Choose the strategy allreduce.",
            )
        if name == "TF_CONFIG" and self._strategy != "ps":
            return (
                f"the strategy {self._strategy} does not set TF_CONFIG.",
                "Choose the strategy ps.",
            )
        return None

    def _call(self, source: Source, node: ast.Call, level: int) -> None:
        name = called(node)
        if name in _LOADS or (name == "init_process_group" and level > NEVER):
            self._anything |= name in _LOADS
            self._uses.append((name, source, node.lineno))
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if owner is None or not _is_environ(owner):
            return
        if name == "setdefault" and node.args:
            text = source.literals.text(node.args[0])
            self._sets |= {text} if text else set()
            self._anything |= text is None
        elif name == "update":
            self._update(node)

    def _update(self, node: ast.Call) -> None:
        self._sets.update(one.arg for one in node.keywords if one.arg)
        self._anything |= any(one.arg is None for one in node.keywords)
        for given in node.args:
            keys = given.keys if isinstance(given, ast.Dict) else [None]
            for key in keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    self._sets.add(key.value)
                else:
                    self._anything = True


def _is_environ(node: ast.AST) -> bool:
    """``os.environ`` or ``environ``."""
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )
