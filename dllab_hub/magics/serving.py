"""Magics about serving: ``%deploy %deployments %predict %scale %undeploy``."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import no_var_expand
from IPython.display import display

from ..deployed import Deployed
from ..deploying import deploy_file, deploy_model, model_file
from ..errors import InvalidRequest, Unavailable
from ..export import export_model, kind_of
from ..names import NAME_PATTERN
from ..rows import from_rows
from ..specs import MAX_REPLICAS, Autoscale, EachReplica, ModelSource
from ..submission import (
    add_autoscale,
    add_each,
    autoscale_of,
    each_of,
    name_for,
    replicas_of,
    valid_name,
    whole,
)
from .canary import view_of
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import DeploymentList, DeploymentView

__all__ = ("ServingMagics",)

_HANDLE = "_deployment"
#: Before or after an expression, where it can be no part of it: no Python goes on so.
_FIRST = re.compile(r"--version(?:\s+|=)(\w+)\s+(.+)", re.DOTALL)
_LAST = re.compile(r"(.*?)\s+--version(?:\s+|=)(\w+)", re.DOTALL)
_PUBLISHED = re.compile(rf"{NAME_PATTERN}(:[0-9]+)?")


class ServingMagics:
    """``_deployment`` in the notebook is the handle of what was deployed last.

    Args:
        session: The shell and the client that all magics share.
    """

    cells: tuple[str, ...] = ()
    lines = ("deploy", "deployments", "predict", "scale", "undeploy")

    def __init__(self, session: Session) -> None:
        self._session = session

    @no_var_expand  # type: ignore[untyped-decorator]
    def deploy(self, line: str) -> DeploymentView | None:
        """Serve a network, a file or a published model; it outlives notebook and lab.

        ::

            %deploy net --example x[:1] --name digits --replicas 2
            %deploy runs/digits.onnx
            %deploy digits:3 --min 0 --max 4

        A ``torch.nn.Module`` is exported to ONNX and compared with what it answers to the example:
        a tensor, an array, or a tuple or dict of them. A Keras model becomes a SavedModel, a fitted
        scikit-learn estimator ONNX. Files are ONNX, torch.export, TorchScript, a SavedModel as an
        archive, or a pickle where the administrator allows those. Deploying again under the same
        name replaces what runs there without a failed request. Options: --example EXPR --name N
        --replicas N --wait; --max N --min N --signal S --target X --idle TIME have the number of
        replicas follow the load; --gpus N --cpus N --batch N --batch-wait 5ms say what each of
        them gets, and have it compute requests together. Afterwards ``_deployment`` is the
        deployment: ``_deployment.url``, ``_deployment.predict(x)``, ``_deployment.scale(3)``,
        ``_deployment.canary(2)``, ``_deployment.logs()``.
        """
        parser = parser_for("%deploy")
        add = parser.add_argument
        add("what", metavar="WHAT", help="a network, a path of a file, or MODEL[:VERSION]")
        add("--example", metavar="EXPR", help="what the network is called with; needed to export")
        add("--name", type=valid_name, metavar="N", help="of the deployment, and of a new model")
        add_autoscale(parser)
        add_each(parser)
        add("--wait", action="store_true", help="wait until all of them answer")
        if asks_help(parser, words := _expressions(line, {"--example"})):
            return None
        options = parser.read(words)
        deployed = self._deploy(
            options.what,
            options.example,
            options.name,
            replicas_of(options),
            autoscale_of(options),
            each_of(options),
        )
        # Not interactive: it stays out of %who.
        self._session.shell.push({_HANDLE: deployed}, interactive=False)
        from ..widgets import DeploymentView

        view = self._session.only(DeploymentView(deployed), deployed.name)
        if not options.wait:
            return view
        display(view)
        try:
            deployed.wait()
        except TimeoutError as exc:
            raise Unavailable(f"{exc}.", hint="It goes on starting: _deployment.wait().") from None
        return None

    def deployments(self, line: str) -> DeploymentList | None:
        """List what you serve: ``%deployments``."""
        parser = parser_for("%deployments")
        if asks_help(parser, words := split(line)):
            return None
        parser.read(words)
        from ..widgets import DeploymentList

        return self._session.only(DeploymentList(self._session.client()))

    @no_var_expand  # type: ignore[untyped-decorator]
    def predict(self, line: str) -> Any:
        """Ask a deployment about rows: ``y = %predict NAME EXPR [--version N]``.

        The rows are a list, an array, a tensor, a table, an image of PIL or a list of them; a dict
        that has rows for each input of a model with several. The answer is a numpy array, or a
        dict of them, where numpy is there. With a version, that one answers. ``ada/digits`` is a
        deployment of another person who lets you: see ``%endpoints``.
        """
        parser = parser_for("%predict")
        parser.add_argument("name", metavar="[OWNER/]NAME", help="of the deployment")
        parser.add_argument("rows", metavar="EXPR", help="rows to ask about")
        parser.add_argument("--version", type=whole(1), metavar="N", help="of those that serve")
        name, _, rows = line.strip().partition(" ")
        if asks_help(parser, [name]):
            return None
        rows, version = _with_version(rows.strip())
        # The expression is Python to its end: a minus sign in it is no option.
        options = parser.read([*version, "--", *(word for word in (name, rows) if word)])
        instances = self._value(options.rows)
        client = self._session.client()
        return from_rows(client.predict(options.name, instances, version=options.version))

    def scale(self, line: str) -> DeploymentView | None:
        """Have more or fewer processes: ``%scale NAME N``."""
        parser = parser_for("%scale")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        parser.add_argument("replicas", type=whole(1, MAX_REPLICAS), metavar="N", help="how many")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        client = self._session.client()
        return view_of(self._session, client.scale(options.name, options.replicas))

    def undeploy(self, line: str) -> None:
        """Serve it no more: ``%undeploy NAME [--yes]``. Asks first; the model stays."""
        parser = parser_for("%undeploy")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        if asks_help(parser, words := split(line)):
            return
        options = parser.read(words)
        client = self._session.client()
        info = client.deployment(options.name)
        if not options.yes and not _confirmed(f"Delete {info.name} with all its processes? [y/N] "):
            print(f"{info.name} stays.")
            return
        client.delete(info.name)
        print(f"{info.name} is being deleted; the model {info.spec.model} stays.")

    def _deploy(
        self,
        what: str,
        example: str | None,
        name: str | None,
        replicas: int,
        autoscale: Autoscale | None,
        each: EachReplica,
    ) -> Deployed:
        client = self._session.client()
        value = self._meant(what, exported=example is not None)
        if isinstance(value, str | Path):
            if example is not None:
                raise InvalidRequest("is for a network only.", field="example")
            if (stem := model_file(str(value))) is not None:
                name = name or name_for(stem, "model")
                file = Path(value).expanduser()
                return deploy_file(client, file, name, replicas, autoscale, **each)
            return deploy_model(client, str(value), name, replicas, autoscale, **each)
        if example is None and kind_of(value) != "keras":  # It knows its own inputs.
            raise InvalidRequest(
                f"exporting {what} needs one.", hint="Such as --example x[:1].", field="example"
            )
        name = name or name_for(what, "model")
        rows = None if example is None else self._value(example)
        with tempfile.TemporaryDirectory(prefix="dllab-") as folder:
            made = export_model(value, rows, Path(folder), name=name)
            return deploy_file(
                client,
                made.file,
                name,
                replicas,
                autoscale,
                example=made.example,
                source=ModelSource(kind="notebook"),
                **each,
            )

    def _meant(self, what: str, *, exported: bool) -> Any:
        """An object that can be exported, a path of a file, or ``MODEL[:VERSION]``."""
        if model_file(what) is not None:
            return what
        published = _PUBLISHED.fullmatch(what) is not None and not exported
        if published and what not in self._session.shell.user_ns:
            return what
        value = self._value(what)
        if isinstance(value, str | Path) or kind_of(value) is not None:
            return value
        if published:  # A variable that only happens to be called like the model.
            return what
        raise InvalidRequest(
            f"{what} is of type {type(value).__name__}, which cannot be served.",
            hint="Give a torch.nn.Module, a keras.Model, a fitted scikit-learn estimator, the path "
            "of an ONNX file or another one with a model, or the name of a model.",
        )

    def _value(self, expression: str) -> Any:
        """What an expression means in the notebook."""
        try:
            return self._session.shell.ev(expression)
        except Exception as exc:  # Whatever the person's own expression raises.
            said = exc.msg if isinstance(exc, SyntaxError) else str(exc)
            said = f"{type(exc).__name__}: {said}" if said else type(exc).__name__
            raise InvalidRequest(f"{expression}: {said.rstrip('.')}.") from None


def _with_version(rows: str) -> tuple[str, list[str]]:
    """An expression without the option before or behind it, and the option's words."""
    if found := _FIRST.fullmatch(rows):
        return found[2], ["--version", found[1]]
    if found := _LAST.fullmatch(rows):
        return found[1], ["--version", found[2]]
    return rows, []


def _confirmed(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except (EOFError, StdinNotImplementedError):
        raise InvalidRequest("nobody can be asked here.", hint="Add --yes.") from None


def _expressions(line: str, greedy: set[str]) -> list[str]:
    """Words, where brackets and quotes hold Python together.

    Args:
        line: Of the magic.
        greedy: Options whose value goes on to the next option.
    """
    words, depth, quote = [""], 0, ""
    for char in line:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char.isspace() and depth <= 0:
            words.append("")
            continue
        words[-1] += char
    joined: list[str] = []
    for word in filter(None, words):
        option = joined[-1] if joined and joined[-1].startswith("--") else ""
        if len(joined) > 1 and joined[-2] in greedy and not word.startswith("--"):
            joined[-1] += f" {word}"
        elif option and option not in greedy:
            joined.append(word.strip("'\""))  # No Python: quoted, if at all, as in a terminal.
        else:
            joined.append(word)
    return joined
