"""Which replicas come and go; none of them runs here."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dllab_hub.backends.local.account import Account
from dllab_hub.backends.local.serving.fleet import Crew, Fleet, crews_of
from dllab_hub.backends.local.serving.kit import Kit
from dllab_hub.backends.local.serving.wish import Wish
from dllab_hub.specs import Batch, Canary, DeploymentSpec

GPU = Kit(gpus=1)


def replica(number: int, version: int, state: str = "ready", kit: Kit = GPU) -> SimpleNamespace:
    """As a fleet sees one: ``ready``, ``waiting`` for GPUs, ``draining``, or neither."""
    return SimpleNamespace(
        name=f"replica-{number}",
        number=number,
        serves=("digits", version),
        pool="replicas",
        kit=kit,
        ready=state == "ready",
        waiting="waiting for 1 GPU." if state == "waiting" else "",
        draining=state == "draining",
        failing=False,
        unit=SimpleNamespace(known=SimpleNamespace(outdated=False), gpus=(f"GPU-{number}",)),
    )


def crew(count: int, version: int = 2, kit: Kit = GPU) -> Crew:
    return Crew("digits", version, "replicas", count, kit)


def going(crews: list[Crew], *replicas: SimpleNamespace, **how: bool) -> list[int]:
    return [one.number for one in Fleet(replicas).surplus(crews, **how)]


@pytest.mark.parametrize(
    ("there", "last", "gone"),
    [
        # Two of before, and the new one waits for a GPU: one of them goes, the oldest.
        ([(1, 1, "ready"), (2, 1, "ready"), (3, 2, "waiting")], False, [1]),
        # It is on its way out already: its GPU comes.
        ([(1, 1, "draining"), (2, 1, "ready"), (3, 2, "waiting")], False, []),
        # The last one that answers stays, unless requests can wait.
        ([(2, 1, "ready"), (3, 2, "waiting")], False, []),
        ([(2, 1, "ready"), (3, 2, "waiting")], True, [2]),
        # The first of the new ones answers: the last of before may go.
        ([(2, 1, "ready"), (3, 2, "ready"), (4, 2, "waiting")], False, [2]),
        # One that does not answer is in the way only.
        ([(2, 1, "starting"), (3, 2, "waiting")], False, [2]),
        # A GPU was free: nobody goes before the new one answers.
        ([(1, 1, "ready"), (2, 1, "ready"), (3, 2, "starting")], False, []),
    ],
)
def test_old_ones_go_first_where_gpus_are_short(there, last, gone) -> None:
    """One at a time, and never the last that answers unless requests wait for the new one."""
    assert gone == going([crew(2)], *(replica(*each) for each in there), last=last)


def test_who_has_no_gpu_is_not_in_the_way() -> None:
    """Replicas without GPUs stay until those that get one answer."""
    old = [replica(n, 2, kit=Kit()) for n in (1, 2)]

    assert [] == going([crew(2)], *old, replica(3, 2, "waiting"))


def test_a_canary_takes_nobodys_gpu() -> None:
    """While it waits nobody goes for it."""
    crews = [crew(1, 1), crew(1, 2)]

    assert [] == going(crews, replica(1, 1), replica(2, 2, "waiting"))


def test_who_keeps_its_gpus() -> None:
    """The last that answers is named while another one waits for what it has."""
    waits = replica(3, 2, "waiting")

    assert "replica-1" == Fleet([replica(1, 1), waits]).keeper([crew(1)])
    assert "" == Fleet([replica(1, 1), replica(2, 1), waits]).keeper([crew(1)])
    assert "" == Fleet([replica(1, 1), replica(3, 2, "starting")]).keeper([crew(1)])
    assert "" == Fleet([waits]).keeper([crew(1)])
    assert "" == Fleet([replica(1, 1), waits]).keeper([])


def test_whose_gpus_compute() -> None:
    """Those of replicas that answer, each by itself."""
    there = [replica(1, 1), replica(2, 1, "draining"), replica(3, 1, "starting"), replica(4, 1)]
    there.append(replica(5, 1, kit=Kit()))

    assert (("GPU-1",), ("GPU-4",)) == Fleet(there).gpus()


@pytest.mark.parametrize(
    "change", [{"gpus": 1}, {"cpus": 2}, {"batch": Batch(size=8)}, {"batch": Batch(size=8, wait=0)}]
)
def test_another_kit_is_another_crew(change) -> None:
    """Who was made with something else is old, also a canary's; the same again is not."""
    spec = DeploymentSpec(name="digits", model="digits")
    wish = Wish.new("ada", Account(None, 0, 0, "/"), spec, 1).with_canary(Canary(version=2))
    before, after = crews_of(wish), crews_of(wish.again(spec.model_copy(update=change), 1))
    mine = replica(1, 1, kit=before[0].kit)

    assert Kit() == before[0].kit == before[1].kit
    assert [mine] == Fleet([mine]).of(before[0])
    assert [] == Fleet([mine]).of(after[0])
    assert [mine] == Fleet([mine]).old(after)
