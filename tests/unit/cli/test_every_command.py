"""Every command as people and programs meet it: at eighty columns, in a pipe, without colours, by its exit codes."""

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.main import get_command

from firstflight.acts.freeze import begin_freeze
from firstflight.acts.lease import surrender_lease
from firstflight.cli.commands import EXIT_CODES
from firstflight.cli.main import app
from firstflight.domain.errors import BackendUnavailableError, ModelNotReadyError, StackError
from firstflight.domain.findings import failed, warned
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import checks_stream
from firstflight.serving.backend import RouterTally
from firstflight.serving.lease import Surrender
from tests.unit.acts.twin import MODEL, in_first_stage
from tests.unit.cli.doubles import RUN, flow_run
from tests.unit.cli.place import Place

Firstflight = Callable[..., tuple[int, str, str]]
GROUP: Any = get_command(app)
DEMO = "deployments/plans/demo-release.yaml"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:[349]\d|10[0-7])[;m]")
NAMED_BY_THEIR_CELLS = {"variant", "fault"}
"""Headers of first columns, which a table that is told row by row leaves out."""
LONGEST_WORD = 60
"""Of longer ones, addresses and paths, a terminal of eighty columns breaks some itself."""


class Case(NamedTuple):
    """A command as it is typed, the code it leaves, and what makes it so."""

    words: str
    code: int
    so: Callable[[Place], object] = lambda _: None

    @property
    def name(self) -> str:
        """The command's name."""
        return self.words.partition(" ")[0]


def refuse(place: Place) -> None:
    """Have the stack refuse."""
    place.refuses = StackError("port 4200 belongs to another process: set FIRSTFLIGHT_PORT_PREFECT")


def lose(place: Place) -> None:
    """Have a part be down."""
    place.parts["collector"] = False


def tell(*results: str) -> Callable[[Place], None]:
    """Have a file of truths, of which that becomes."""

    def so(place: Place) -> None:
        (place.folder / "labels.csv").write_text("request,truth\n" + "r,1\n" * len(results))
        place.told = results

    return so


def find(*found: object) -> Callable[[Place], None]:
    """Have the doctor find it."""
    return lambda place: place.findings.extend(found)  # type: ignore[arg-type]  # findings


def answer(*statuses: int) -> Callable[[Place], None]:
    """Have the gateway answer so."""
    return lambda place: setattr(place, "answers", statuses)


def end(state: str, name: str) -> Callable[[Place], None]:
    """Have the run have ended so."""
    return lambda place: place.prefect.states.__setitem__(slice(None), [flow_run(state, name, plan={"model": MODEL})])


def freeze(place: Place) -> None:
    """Have a freeze hold."""
    begin_freeze(place.twin.ledger, Freeze(by="ann", reason="holidays", since=datetime(2026, 1, 1, tzinfo=UTC)))


def mark(place: Place) -> None:
    """Have somebody mark a lease who dies before traffic moves."""
    in_first_stage(place.twin, RUN)
    surrender_lease(place.twin.world, MODEL, Surrender(actor="ann", reason="complaints", trigger="person"))


def prove_nothing(place: Place) -> None:
    """Have counters that cannot be read, and a candidate that cannot be stopped."""

    def away(_route: str) -> Mapping[str, RouterTally]:
        raise BackendUnavailableError("the router does not answer")

    place.asks()
    for name, fake in {"tallies": away, "is_ready": lambda _name: True}.items():
        setattr(place.twin.backend, name, fake)


def fail(place: Place) -> None:
    """Have a model whose environment cannot be made."""

    def broken(*_: object) -> None:
        raise ModelNotReadyError("its environment cannot be made")

    place.adopted()
    place.twin.backend.deploy = broken  # type: ignore[assignment,method-assign]


def tamper(place: Place) -> None:
    """Have a record be another than was sealed."""
    place.sealed()
    place.tree.entries = lambda: (  # type: ignore[method-assign]
        replace(entry, leaf=b"{}") if entry.index == 1 else entry for entry in [*place.tree._entries]
    )


def judged_otherwise(place: Place) -> None:
    """Have a check say other than its look does."""
    [first, *_] = place.twin.ledger._records[checks_stream(place.asks())]
    first.body["decision"]["verdict"] = "PROMOTE"


def judged_by_others(place: Place) -> None:
    """The same, of a check that rules which are not these have judged."""
    judged_otherwise(place)
    for name, records in place.twin.ledger._records.items():
        for record in records if name.startswith("checks/") else []:
            record.body["rules"] = "sha256:others"


TRUSTED = "--variant gbm --trust-code --as ann"
DOUBTFUL = warned("collector-never", "collector", "nothing yet", wanted="a record", fix="start it")
ILL = failed("worker-offline", "work pool local", "no live worker", wanted="one", fix="start one")
CASES = (
    Case("up", 0),
    Case("up", 1, refuse),
    Case("status", 0),
    Case("status", 3, lose),
    Case("down", 0),
    Case("doctor", 0, find(DOUBTFUL)),
    Case("doctor", 1, find(ILL)),
    Case("open", 0),
    Case("open latest", 0),
    Case("open nosuch", 3),
    Case("open --prefect", 0),
    Case("open --prefect nosuch", 3),
    Case("demo --approve auto", 0, Place.went_home),
    Case("demo --approve auto", 1, Place.asks),
    Case("train", 0),
    Case("train", 1, refuse),
    Case("train --set max_epochs=0", 2),
    Case(f"plan {DEMO} --rate 100", 0),
    Case(f"plan {DEMO} --rate 100 --set canary.stages=[5]", 2),
    Case(f"plan {DEMO} --rate 0.1", 4),
    Case(f"replay {MODEL} --requests 2", 0),
    Case(f"replay {MODEL} --requests 2", 1, answer(503, 503)),
    Case(f"replay {MODEL} --requests 2", 3, answer(404, 404)),
    Case(f"replay {MODEL} --requests 2", 4, answer(200, 503)),
    *(
        case
        for flow in ("canary", "ab-test", "release")
        for case in (
            Case(f"{flow} {DEMO}", 0),
            Case(f"{flow} {DEMO} --set nosuch=1", 2),
            Case(flow, 3, lambda place: setattr(place.prefect, "empty", True)),
        )
    ),
    Case("canary --watch", 4, Place.went_home),
    Case("watch latest", 0),
    Case("watch latest", 1, end("FAILED", "Failed")),
    Case("watch nosuch", 3),
    Case("watch latest", 4, Place.went_home),
    Case("approve latest --as ann", 0, Place.asks),
    Case("approve latest --as ann", 5),
    Case("reject latest --as ann --comment no", 0, Place.asks),
    Case("reject latest --as ann --comment no", 5),
    Case(f"promote {MODEL} --as ann --comment now", 0, Place.falters),
    Case(f"promote {MODEL} --as ann --comment now", 1, Place.asks),
    Case(f"roll-back {MODEL}", 0, Place.asks),
    Case("roll-back nosuch", 1),
    Case(f"roll-back {MODEL}", 1, prove_nothing),
    Case("init churn", 0),
    Case("init json", 2),
    Case(f"adopt models:/churn/7 {TRUSTED}", 0),
    Case(f"adopt models:/churn/8 {TRUSTED}", 1),
    Case(f"adopt models:/churn/9 {TRUSTED}", 3),
    Case("deploy churn 1 2", 0, Place.adopted),
    Case("deploy churn 1", 1, fail),
    Case("deploy nosuch 1", 3),
    Case(f"undeploy --old {MODEL}", 0, Place.went_home),
    Case("undeploy lightweight-predictor-v2", 1, Place.asks),
    Case("undeploy nosuch", 3),
    Case(f"history {MODEL}", 0, Place.went_home),
    Case("history nosuch", 3),
    Case("outcomes status", 0),
    Case("outcomes load labels.csv", 0, tell("new", "repeated")),
    Case("outcomes load labels.csv", 1, tell("new", "contradicting")),
    Case("outcomes load", 2),
    Case("audit verify --checkpoint kept.txt", 0, Place.sealed),
    Case("audit verify --checkpoint kept.txt", 1, tamper),
    Case("audit verify ledger.jsonl --key audit.pub --checkpoint kept.txt", 0, Place.sealed),
    Case("audit verify audit.pub --checkpoint kept.txt", 1, Place.sealed),
    Case(f"audit show {MODEL}-r1", 0, Place.sealed),
    Case("audit show nosuch", 3),
    Case(f"audit replay {MODEL}-r1", 0, Place.asks),
    Case(f"audit replay {MODEL}-r1", 3, Place.sealed),
    Case(f"audit replay {MODEL}-r1", 1, judged_otherwise),
    Case(f"audit replay {MODEL}-r1", 4, judged_by_others),
    Case("audit replay nosuch", 3),
    Case(f"audit at 2999-01-01T00:00 {MODEL}", 0, Place.sealed),
    Case(f"audit at 1999-01-01T00:00 {MODEL}", 3, Place.sealed),
    Case(f"audit at yesterday {MODEL}", 2),
    Case("audit seal extra", 2),
    Case("audit verify", 3),
    Case("audit verify", 0, Place.sealed),
    Case("audit verify", 4, lambda place: (place.went_home(), place.tree.seal(None))),
    Case("audit seal", 0, Place.went_home),
    Case("audit seal", 3),
    Case("audit export ledger.jsonl", 0, Place.sealed),
    Case("audit key", 0),
    Case("guard --seconds 0", 0, Place.asks),
    Case("guard --seconds 0", 4, mark),
    Case("drill --fault all", 0),
    Case("drill --fault all", 1, lambda place: setattr(place, "kept", False)),
    Case("freeze --as ann --reason holidays", 0),
    Case("freeze --as ann --reason x --from 2026-02-02 --until 2026-02-01", 2),
    Case("thaw --as ann --reason over", 0, freeze),
    Case("frozen", 0),
    Case("frozen", 4, freeze),
)


def run(case: Case, firstflight: Firstflight, folder: Path, *more: str) -> tuple[str, str]:
    """Run the case in a place of its own, and return what it said on either stream; it leaves its code."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        place = Place(folder, patch)
        case.so(place)
        code, out, err = firstflight(*shlex.split(case.words), *more)
    assert case.code == code, out + err
    return out, err


def test_each_exit_code_that_a_command_promises_is_seen() -> None:
    """Those of its help, and 0; what is none of the table of all is promised nowhere."""
    promised = {(name, code) for name, command in GROUP.commands.items() for code in {0, *codes(command.help)}}
    assert set() == promised - {(case.name, case.code) for case in CASES}
    assert EXIT_CODES.keys() == {case.code for case in CASES}


def codes(told: str) -> set[int]:
    """Return the exit codes that a help speaks of."""
    return {int(word) for word in re.findall(r"\b\d\b", told.partition("xit code")[2])}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.code}")
def test_nothing_is_lost_on_any_terminal_or_in_a_pipe(case: Case, firstflight: Firstflight, tmp_path: Path) -> None:
    """A pipe gets no escape and all of it; eighty columns every word of that; NO_COLOR no colour."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
            patch.delenv(name, raising=False)
        piped = "".join(run(case, firstflight, tmp_path / "one"))
        assert not {"\x1b", "…"} & set(piped)
        patch.setenv("FORCE_COLOR", "1")
        patch.setenv("TERM", "xterm-256color")
        shown = "".join(run(case, firstflight, tmp_path / "two"))
        patch.setenv("NO_COLOR", "1")
        plain = "".join(run(case, firstflight, tmp_path / "six"))
    assert "…" not in shown
    assert None is COLOUR.search(plain)
    told = {*re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown).split()}
    short = [word for word in piped.split() if len(word) < LONGEST_WORD and str(tmp_path) not in word]
    measured = re.compile(r"[─━\d.]+|.*:\d\d|[\w+/]{43}=")
    assert [] == [word for word in short if word not in told | NAMED_BY_THEIR_CELLS and not measured.fullmatch(word)]


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case.code in {0, 4} and any("--json" in each.opts for each in GROUP.commands[case.name].params)
    ],
    ids=lambda case: f"{case.name}-{case.code}",
)
def test_a_machine_reads_json(case: Case, firstflight: Firstflight, tmp_path: Path) -> None:
    """One value, or one a line, and nothing else on that stream; the exit code is the same."""
    out, _ = run(case, firstflight, tmp_path / "one", "--json")
    try:
        json.loads(out or "null")
    except json.JSONDecodeError:
        assert [json.loads(line) for line in out.splitlines()]
