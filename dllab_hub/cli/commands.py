"""The table of commands, their options, and the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from ..errors import DLLabError, InvalidRequest
from ..specs import MAX_REPLICAS, NOTICES
from ..submission import (
    Words,
    add_autoscale,
    add_canary,
    add_each,
    add_filter,
    add_notes,
    add_options,
    add_wish_options,
    in_words,
    split_args,
    valid_name,
    whole,
)
from . import (
    access,
    alerts,
    gpus,
    history,
    jobs,
    machine,
    models,
    notices,
    published,
    share,
    ssh,
    submit,
)
from . import env as environments

__all__ = ("run",)

_Command = Callable[[argparse.Namespace, tuple[str, ...]], int]


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    before, args = split_args(words)
    parser = _parser()
    try:
        options = parser.read(before)
    except InvalidRequest as exc:
        print(f"dllab: {in_words(exc)}", file=sys.stderr)
        return 2
    command: _Command | None = getattr(options, "command", None)
    if command is None:
        parser.print_help()
        return 0
    try:
        if args and command not in (submit.submit, submit.rerun):
            raise InvalidRequest(f"{args[0]!r}: only submit and rerun take words after --.")
        return command(options, args)
    except InvalidRequest as exc:
        print(f"dllab: {in_words(exc)}", file=sys.stderr)
        return 2
    except DLLabError as exc:
        print(f"dllab: {in_words(exc)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # `dllab logs | head`: nobody reads on. Python must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> Words:
    parser = Words(prog="dllab", description="A deep-learning lab for JupyterHub.")
    parser.add_argument("--version", "-V", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Words)

    def command(name: str, does: _Command, help: str) -> Words:
        made: Words = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        made.set_defaults(command=does, reader=made)
        return made

    up = command("up", machine.up, "start the lab on this machine")
    up.add_argument("--port", type=whole(0, 65535), default=8000, help="0 picks a free one")
    up.add_argument("--home", metavar="DIR", help="where the lab keeps everything")
    up.add_argument("--os-users", action="store_true", help="every person is their own OS user")
    up.add_argument("--no-browser", action="store_true", help="only print the address")

    env = command("env", environments.env_list, "framework images: build, list, remove, adopt")
    actions = env.add_subparsers(metavar="ACTION", parser_class=Words)
    build = actions.add_parser("build", help="build environments of images; goes on after Ctrl-C")
    build.add_argument("name", metavar="IMAGE", nargs="+")
    build.set_defaults(command=environments.env_build)
    listing = actions.add_parser("list", help="list the images there are")
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(command=environments.env_list)
    remove = actions.add_parser("remove", help="delete the environments of images")
    remove.add_argument("name", metavar="IMAGE", nargs="+")
    remove.add_argument("--force", action="store_true", help="even when something runs in it")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(command=environments.env_remove)
    adopt = actions.add_parser("adopt", help="make an image of what a person exported")
    adopt.add_argument("file", metavar="lab.json", help="of `dllab lab export`; - reads from stdin")
    adopt.add_argument("--name", type=valid_name, required=True, metavar="IMAGE", help="new image")
    adopt.add_argument("--title", default="", help="what people read on the form")
    adopt.add_argument("--no-build", action="store_true", help="only write its files")
    adopt.set_defaults(command=environments.env_adopt)
    env.set_defaults(json=False)

    lab = command("lab", share.lab_link, "share this lab's choice and packages: export, link")
    parts = lab.add_subparsers(metavar="ACTION", parser_class=Words)
    export = parts.add_parser("export", help="print it as a small file")
    export.set_defaults(command=share.lab_export)
    link = parts.add_parser("link", help="print a link that fills in the form with it")
    link.add_argument(
        "file", metavar="lab.json", nargs="?", help="of `dllab lab export`; - is stdin"
    )
    link.add_argument("--hub", metavar="URL", help="address of the hub that is to start it")
    link.set_defaults(command=share.lab_link)
    lab.set_defaults(file=None, hub=None)

    started = command("submit", submit.submit, "submit a training job")
    started.takes_args = True
    started.add_argument(
        "script", metavar="SCRIPT", nargs="?", help="train.py or run.sh; its arguments after --"
    )
    add_options(started)
    started.add_argument("--wait", action="store_true", help="follow its output until it has ended")
    started.add_argument("--json", action="store_true")

    again = command("rerun", submit.rerun, "submit a job again, with some options changed")
    again.description = (
        "Submit a job again as a new one. What is not typed stays as it was in that job, whatever "
        "the default of a new one is."
    )
    again.takes_args = True
    again.add_argument("id", help="an id or its start")
    add_wish_options(again)
    again.add_argument("--wait", action="store_true", help="follow its output until it has ended")
    again.add_argument("--json", action="store_true")

    listed = command("jobs", jobs.jobs, "list your jobs, newest first")
    listed.add_argument("--all", action="store_true", help="all jobs there are")
    listed.add_argument("-n", type=whole(1, 500), default=20, metavar="N", help="how many")
    add_filter(listed)
    listed.add_argument("--json", action="store_true")

    one = command("job", history.job, "show a job: why it failed, progress, curves, replicas")
    one.add_argument("id", nargs="?", help="an id or its start; the newest job without it")
    one.add_argument("--stacks", action="store_true", help="where each replica is just now")
    one.add_argument("--cell", action="store_true", help="a notebook cell that submits the same")
    one.add_argument("--json", action="store_true", help="its whole record")

    beside = command("compare", history.compare, "show what differs between jobs")
    beside.add_argument("ids", metavar="ID", nargs="+", help="two or more; ids or their starts")
    beside.add_argument("--json", action="store_true")

    noted = command("note", history.note, "write down tags or notes on a job")
    noted.add_argument("id", help="an id or its start")
    add_notes(noted)
    noted.add_argument("--json", action="store_true")

    gone = command("rm", history.remove, "remove jobs that have ended, or only their files")
    gone.add_argument("ids", metavar="ID", nargs="+", help="ids or their starts")
    gone.add_argument("--files", action="store_true", help="only the files; the record is kept")
    gone.add_argument("-y", "--yes", action="store_true", help="do not ask")

    out = command("export", history.export, "print records of jobs that have ended, a line each")
    add_filter(out)

    into = command("import", history.take_in, "keep records that were exported elsewhere")
    into.add_argument("file", metavar="FILE.jsonl|-", help="of `dllab export`; - reads from stdin")
    into.add_argument("--json", action="store_true")

    told = command("notices", notices.notices, "show and set how you are told of ends of jobs")
    told.add_argument("--webhook", metavar="URL", help="address that gets a POST, or none")
    told.add_argument("--email", metavar="ADDRESS", help="or none")
    told.add_argument("--on", nargs="+", choices=(*NOTICES, "none"), help="what is told")
    told.add_argument("--new-secret", action="store_true", help="make a new one, shown once")
    told.add_argument("--test", action="store_true", help="send a test now")
    told.add_argument("--json", action="store_true")

    wrong = command("alerts", alerts.alerts, "what is wrong: list, silence, rules for Prometheus")
    wrong.add_argument("--json", action="store_true")
    wishes = wrong.add_subparsers(metavar="ACTION", parser_class=Words)
    quiet = wishes.add_parser("silence", help="be told nothing of an alert for a while")
    quiet.add_argument("id", metavar="ID", help="as `dllab alerts` shows it")
    quiet.add_argument("--minutes", type=whole(1, 7 * 24 * 60), default=60, help="an hour if not")
    quiet.add_argument("--end", action="store_true", help="be told of it again")
    quiet.set_defaults(command=alerts.silence)
    back = wishes.add_parser("give-back", help="lend a GPU of this machine again")
    back.add_argument("uuid", metavar="UUID", help="of a GPU that was taken out of use")
    back.add_argument("--home", metavar="DIR", help="where the lab keeps everything")
    back.set_defaults(command=alerts.give_back)
    printed = wishes.add_parser("rules", help="print them, with your thresholds")
    printed.add_argument("--home", metavar="DIR", help="where the lab keeps everything")
    printed.set_defaults(command=alerts.rules)

    logs = command("logs", jobs.logs, "print what a job wrote")
    logs.add_argument("id", nargs="?", help="an id or its start; the newest job without it")
    logs.add_argument("--replica", metavar="R", help="such as worker-0; all without it")
    logs.add_argument("--attempt", type=whole(1), metavar="N", help="the newest without it")
    logs.add_argument("-n", type=whole(1, 10**6), metavar="N", help="only the last lines")
    logs.add_argument("-f", "--follow", action="store_true", help="until the job ends")
    logs.add_argument("--search", metavar="TEXT", help="only lines that hold it, in any case")
    logs.add_argument("--raw", action="store_true", help="with control sequences, as it is written")

    cancel = command("cancel", jobs.cancel, "end a job")
    cancel.add_argument("id", help="an id or its start")
    cancel.add_argument("--json", action="store_true")

    pause = command("pause", jobs.pause, "end a job for now; it goes on from its last checkpoint")
    pause.add_argument("id", help="an id or its start")
    pause.add_argument("-y", "--yes", action="store_true", help="do not ask")
    pause.add_argument("--json", action="store_true")

    resume = command("resume", jobs.resume, "go on with a job that was paused or has failed")
    resume.add_argument("id", help="an id or its start")
    resume.add_argument("--json", action="store_true")

    published.add(command)

    deploy = command("deploy", models.deploy, "serve a model; the same name again replaces it")
    deploy.add_argument(
        "what", metavar="FILE.onnx|MODEL[:VERSION]", help="or another file: .pt2 .pt .zip .tar .tgz"
    )
    deploy.add_argument("--name", type=valid_name, metavar="N", help="of the deployment")
    add_autoscale(deploy)
    add_each(deploy)
    deploy.add_argument("--wait", action="store_true", help="until all replicas answer")
    deploy.add_argument("--json", action="store_true")

    served = command("deployments", models.deployments, "list what you serve")
    served.add_argument("--json", action="store_true")

    predict = command("predict", models.predict, "ask a deployment about rows")
    predict.add_argument("name", metavar="[OWNER/]NAME", help="of the deployment")
    predict.add_argument("file", metavar="FILE.json|-", help="a list of rows; - reads from stdin")
    predict.add_argument("--version", type=whole(1), metavar="N", help="of those that serve")

    scale = command("scale", models.scale, "have more or fewer replicas")
    scale.add_argument("name", metavar="NAME", help="of the deployment")
    scale.add_argument("replicas", type=whole(1, MAX_REPLICAS), metavar="N")
    scale.add_argument("--json", action="store_true")

    canary = command("canary", models.canary, "have another version answer a part of the requests")
    canary.add_argument("name", metavar="NAME", help="of the deployment")
    add_canary(canary)
    canary.add_argument("--json", action="store_true", default=False)

    promote = command("promote", models.promote, "have the canary answer all requests")
    promote.add_argument("name", metavar="NAME", help="of the deployment")
    promote.add_argument("--json", action="store_true")

    rollback = command("rollback", models.rollback, "end the canary, or serve what was before")
    rollback.add_argument("name", metavar="NAME", help="of the deployment")
    rollback.add_argument("--json", action="store_true")

    access.add(command)

    undeploy = command("undeploy", models.undeploy, "serve no more; the model stays")
    undeploy.add_argument("name", metavar="NAME", help="of the deployment")
    undeploy.add_argument("--yes", action="store_true", help="do not ask")

    for name, does, help in (
        ("gpus", gpus.gpus, "show the GPUs, what uses them and who holds them"),
        ("top", gpus.top, "show the machine, its GPUs and the jobs that run, on one screen"),
    ):
        seen = command(name, does, help)
        seen.add_argument("--watch", nargs="?", type=whole(1, 3600), const=2, metavar="SECONDS",
                          help="again and again, every 2 seconds without a number")  # fmt: skip
        seen.add_argument("--json", action="store_true", help="with --watch: a line each time")

    config = command("ssh-config", ssh.ssh_config, "print what ~/.ssh/config needs for a lab")
    config.add_argument("url", metavar="URL", help="of the lab, from its first page")
    config.add_argument("--host", metavar="NAME", help="what ssh is to call it")
    config.add_argument("--identity", metavar="FILE", help="private key; else those ssh tries")
    config.add_argument("--token-file", metavar="FILE", help="holds a token of the hub; else asked")

    doctor = command("doctor", machine.doctor, "check this machine and say what to do")
    doctor.add_argument("--home", metavar="DIR", help="where the lab keeps everything")
    doctor.add_argument("--json", action="store_true")
    return parser
