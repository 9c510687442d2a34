"""Magics about serving: ``%deploy %deployments %predict %scale %undeploy``."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import no_var_expand
from IPython.display import display

from ..deployed import Deployed, deploy_file, deploy_model
from ..errors import InvalidRequest, Unavailable
from ..export import export
from ..names import NAME_PATTERN
from ..specs import MAX_REPLICAS
from ..submission import name_for, valid_name, whole
from .session import Session, asks_help, parser_for, split

if TYPE_CHECKING:
    from ..widgets import DeploymentList, DeploymentView

__all__ = ("ServingMagics",)

_HANDLE = "_deployment"
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
        """Serve a network, an ONNX file or a published model; it outlives notebook and lab.

        ::

            %deploy net --example x[:1] --name digits --replicas 2
            %deploy runs/digits.onnx
            %deploy digits:3

        A ``torch.nn.Module`` is exported to ONNX and compared with what it answers to the example:
        a tensor, an array, or a tuple or dict of them. Deploying again under the same name
        replaces what runs there without a failed request. Options: --example EXPR --name N
        --replicas N --wait. Afterwards ``_deployment`` is the deployment: ``_deployment.url``,
        ``_deployment.predict(x)``, ``_deployment.scale(3)``, ``_deployment.logs()``.
        """
        parser = parser_for("%deploy")
        add = parser.add_argument
        add("what", metavar="WHAT", help="a network, a path of an ONNX file, or MODEL[:VERSION]")
        add("--example", metavar="EXPR", help="what the network is called with; needed to export")
        add("--name", type=valid_name, metavar="N", help="of the deployment, and of a new model")
        add(
            "--replicas",
            type=whole(1, MAX_REPLICAS),
            default=1,
            metavar="N",
            help="processes that serve it (default 1)",
        )
        add("--wait", action="store_true", help="wait until all of them answer")
        if asks_help(parser, words := _expressions(line, {"--example"})):
            return None
        options = parser.read(words)
        deployed = self._deploy(options.what, options.example, options.name, options.replicas)
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
        """Ask a deployment about rows: ``y = %predict NAME EXPR``.

        The rows are a list, an array, a tensor or a table; a dict that has rows for each input of
        a model with several. The answer is a numpy array, or a dict of them, where numpy is there.
        """
        parser = parser_for("%predict")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        parser.add_argument("rows", metavar="EXPR", help="rows to ask about")
        name, _, rows = line.strip().partition(" ")
        if asks_help(parser, [name]):
            return None
        # The expression is Python to its end: a minus sign in it is no option.
        options = parser.read(["--", *(word for word in (name, rows.strip()) if word)])
        instances = self._value(options.rows)
        client = self._session.client()
        return Deployed(client, client.deployment(options.name)).predict(instances)

    def scale(self, line: str) -> DeploymentView | None:
        """Have more or fewer processes: ``%scale NAME N``."""
        parser = parser_for("%scale")
        parser.add_argument("name", metavar="NAME", help="of the deployment")
        parser.add_argument("replicas", type=whole(1, MAX_REPLICAS), metavar="N", help="how many")
        if asks_help(parser, words := split(line)):
            return None
        options = parser.read(words)
        client = self._session.client()
        deployed = Deployed(client, client.scale(options.name, options.replicas))
        from ..widgets import DeploymentView

        return self._session.only(DeploymentView(deployed), deployed.name)

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

    def _deploy(self, what: str, example: str | None, name: str | None, replicas: int) -> Deployed:
        client = self._session.client()
        value = self._meant(what, exported=example is not None)
        if isinstance(value, str | Path):
            if example is not None:
                raise InvalidRequest("is for a network only.", field="example")
            if str(value).endswith(".onnx"):
                file = Path(value).expanduser()
                return deploy_file(client, file, name or name_for(file.stem, "model"), replicas)
            return deploy_model(client, str(value), name, replicas)
        if example is None:
            raise InvalidRequest(
                f"exporting {what} needs one.", hint="Such as --example x[:1].", field="example"
            )
        name = name or name_for(what, "model")
        rows = self._value(example)
        with tempfile.TemporaryDirectory(prefix="dllab-") as folder:
            file = Path(folder) / "model.onnx"
            export(value, rows, file, name=name)
            return deploy_file(client, file, name, replicas)

    def _meant(self, what: str, *, exported: bool) -> Any:
        """A module, a path that ends in ``.onnx``, or ``MODEL[:VERSION]``."""
        if what.endswith(".onnx"):
            return what
        published = _PUBLISHED.fullmatch(what) is not None and not exported
        if published and what not in self._session.shell.user_ns:
            return what
        value = self._value(what)
        torch = sys.modules.get("torch")
        if isinstance(value, str | Path) or (
            torch is not None and isinstance(value, torch.nn.Module)
        ):
            return value
        if published:  # A variable that only happens to be called like the model.
            return what
        raise InvalidRequest(
            f"{what} is of type {type(value).__name__}, which cannot be served.",
            hint="Give a torch.nn.Module, the path of an ONNX file, or the name of a model.",
        )

    def _value(self, expression: str) -> Any:
        """What an expression means in the notebook."""
        try:
            return self._session.shell.ev(expression)
        except Exception as exc:  # Whatever the person's own expression raises.
            said = exc.msg if isinstance(exc, SyntaxError) else str(exc)
            said = f"{type(exc).__name__}: {said}" if said else type(exc).__name__
            raise InvalidRequest(f"{expression}: {said.rstrip('.')}.") from None


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
