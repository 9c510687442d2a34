"""Magics about what is kept of jobs, and cells made of wishes."""

from __future__ import annotations

import pytest
from notebooks import Notebook
from served import Host

from dllab_hub.cellof import to_cell
from dllab_hub.specs import Code, JobState, Role, TrainingSpec

ROLES = {role.name: role for role in (Role(name="chief"), Role(replicas=3), Role(name="ps"))}
GIVES = {"replicas": 2, "cpus": 0.5, "memory": 2**30}


@pytest.mark.parametrize(
    "spec",
    [
        TrainingSpec(name="plain", image="here", code=Code(source="print('hi')\n")),
        TrainingSpec(
            name="words",
            image="here",
            code=Code(
                source="# {x} $HOME\nprint()",
                args=("--lr", "it's", "{1+1}", "$HOME", "a b", "'$x'", "{{", "}", "", "-- $"),
            ),
            env={"A": "{y} $z 'q' \"r\"", "B": "x=y"},
            tags=("baseline", "lr/0.1"),
        ),
        TrainingSpec(
            name="all",
            image="here",
            code=Code(source="print()"),
            strategy="single",
            roles=(Role(cpus=1.5, memory=3 * 2**30 + 1),),
            max_restarts=0,
            checkpoint_every=7,
            time_limit=5400,
            stall_after=60,
            on_stall="relaunch",
            priority=-3,
            resume_after_reboot=True,
        ),
        TrainingSpec(
            name="never", image="here", code=Code(source="print()"), stall_after=None, tags=("x",)
        ),
        TrainingSpec(
            name="ps", image="here", code=Code(source="print()"), strategy="ps",
            roles=tuple(ROLES.values()),
        ),
        TrainingSpec(
            name="roles",
            image="here",
            code=Code(source="print()"),
            strategy="custom",
            roles=(
                Role(name="learner", processes=2),
                Role(name="actor", **GIVES, command=("sh", "-c", "echo {a} $b 'c'")),
            ),
            success_role="learner",
        ),
        TrainingSpec(name="sh", image="here", code=Code(kind="shell", source="ls $1", args=("?",))),
        TrainingSpec(name="mod", image="here", code=Code(kind="module", module="json.tool")),
        TrainingSpec(
            name="cmd", image="here", code=Code(kind="command", args=("echo", "what?", "%x"))
        ),
    ],
    ids=lambda spec: spec.name,
)  # fmt: skip
def test_a_cell_makes_the_same_wish(notebook: Notebook, spec: TrainingSpec) -> None:
    """Run in a notebook, the cell of a wish submits that wish, whatever its words hold."""
    notebook.shell.user_ns.update(x="WRONG", y="WRONG", z="WRONG", HOME="WRONG", a=1, b=2)
    said = notebook.run(to_cell(spec))

    assert notebook.ok, said
    made = notebook.job.info.spec
    same = {"code": spec.code.model_copy(update={"filename": made.code.filename})}
    same["code"] = same["code"].model_copy(update={"source": spec.code.source.removesuffix("\n")})
    made = made.model_copy(
        update={
            "code": made.code.model_copy(update={"source": made.code.source.removesuffix("\n")})
        }
    )
    assert spec.model_copy(update=same) == made


def test_cells_that_ran_together_are_one(notebook: Notebook) -> None:
    """Marked cells come before the training cell; other files are named in a comment."""
    notebook.run("%%shared net\nclass Net: ...\n")
    notebook.run("%%train --name digits\nNet()\n")
    lines = to_cell(notebook.job.info.spec).splitlines()

    assert lines == ["%%train --name digits --image here", "class Net: ...", "", "Net()"]
    spec = notebook.job.info.spec
    code = Code(source="import net", args=("a\nb",), files={"net.py": "x = 1"})
    lines = to_cell(spec.model_copy(update={"code": code, "workspace": "0" * 64})).splitlines()
    assert lines[0].endswith("-- 'a b'")
    assert lines[1] == (
        "# Not said here: the files that went along, net.py; the directory that went along; line "
        "breaks in words, which are spaces here."
    )


def test_jobs_that_are_looked_for(notebook: Notebook, lab: Host) -> None:
    """``%jobs`` lists what its options ask for; what they get wrong is one line."""
    for tag in ("one", "two"):
        notebook.run(f"%%train --name {tag} --tag {tag} --tag both\nprint()")
    lab.backend.finish(notebook.job.id, JobState.FAILED, "worker-0 returned 3.")

    assert "one-" in notebook.run("%jobs --tag one")
    assert "two-" not in notebook.run("%jobs --tag one")
    assert "two-" in notebook.run("%jobs --state failed --since 1h --name two")
    assert "worker-0 returned 3." in notebook.run("%jobs --tag both")
    assert "no such jobs" in notebook.run("%jobs --until 1h")
    assert "no such jobs" in notebook.run("%jobs --favourite")
    assert "no such jobs" in notebook.run("%jobs --text 'nothing like it'")
    for line, word in (
        ("%jobs --state over", "--state: must be one of pending, running"),
        ("%jobs --since yesterday", "--since: must be how long ago"),
        ("%jobs --tag 'a b'", "tag"),
    ):
        said = notebook.run(line)
        assert not notebook.ok
        assert word in said
        assert 1 == len(said.splitlines())


def test_notes(notebook: Notebook) -> None:
    """``%note`` adds and removes tags, sets notes and the mark; the rest stays as it was."""
    assert "which job?" in notebook.run("%note --tag x")
    notebook.run("%%train --tag first\nprint()")
    notebook.run("%note --tag second --notes 'lr was too high'")
    notebook.run("%note --untag first --favourite")
    job = notebook.job.refresh().info
    assert (("second",), "lr was too high", True) == (job.tags, job.notes, job.favourite)
    said = notebook.run(f"%note {job.id[:7]} --no-favourite")
    assert f"{job.id}  tags: second\nlr was too high" == said
    assert "has no tag nope. It has second." in notebook.run("%note --untag nope")
    assert "there is nothing to write down" in notebook.run("%note")
    assert "a tag has 1 to 40 letters" in notebook.run("%note --tag 'a b'")


def test_compare(notebook: Notebook, lab: Host) -> None:
    """``%compare`` shows what differs; one job alone, or too many, is one line."""
    notebook.run("%%train --name a\nprint(1)")
    notebook.run("%%train --name b --max-restarts 1\nprint(2)")
    said = notebook.run("%compare a- b-")
    assert "max_restarts" in said
    assert "print(2)" in said
    for line in ("%compare a-", "%compare", "%compare a- a-", "%compare a- nothing"):
        said = notebook.run(line)
        assert not notebook.ok
        assert 1 == len(said.splitlines())


def test_the_price_before_a_submit(notebook: Notebook) -> None:
    """``--check`` says what it would cost and when it would start."""
    said = notebook.run("%%train --check\nprint()")

    assert notebook.ok
    assert "starts at once" in said
    assert "_job" not in notebook.shell.user_ns


def test_a_followed_log_gives_no_orders(notebook: Notebook, lab: Host) -> None:
    """What ``%logs -f`` prints has no control sequences, also where one comes in two pieces."""
    notebook.run("%%train\nprint()")
    id = notebook.job.id
    lab.backend.write_log(
        id, "worker-0", "\x1b[31mred\x1b[0m \x1b]0;title\x07end\n10%\r20%\n\x1b[3"
    )
    lab.backend.finish(id)
    said = notebook.run("%logs -f")

    assert "red end" in said
    assert not {"\x1b", "\x07"} & set(said)
