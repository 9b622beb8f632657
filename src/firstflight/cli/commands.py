"""What the terminal understands: every command, its words and its help; `main` puts them together.

Nothing heavy is imported here, so that `--help` and TAB answer at once: what a command does stands in a module of its
own, which is imported when it runs, and with it no more than that command needs.
"""

import functools
import importlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from firstflight.domain.wording import visible

Command = Callable[..., None]


def _known(of: str) -> Callable[[], list[str]]:
    """Return what TAB asks for: imported when it is pressed, and not before."""

    def names() -> list[str]:
        found: list[str] = getattr(importlib.import_module("firstflight.cli.completion"), of)()
        return found

    return names


def _somebody(name: str) -> str:
    """Refuse a name that names nobody: it is kept in the record."""
    if not name.strip() or len(name) > LONGEST_NAME:
        raise typer.BadParameter(f"{name!r} is nobody's name; who are you? At most {LONGEST_NAME} characters")
    return _printable(name.strip())


def _nobody_or_somebody(name: str | None) -> str | None:
    """Refuse a name that names nobody, where one is given."""
    return None if name is None else _somebody(name)


def _short(comment: str) -> str:
    """Refuse what no record holds."""
    if len(comment) > LONGEST_COMMENT:
        raise typer.BadParameter(f"{len(comment)} characters; at most {LONGEST_COMMENT} are kept")
    return _printable(comment)


def _printable(words: str) -> str:
    """Refuse what would steer somebody's terminal, or look like a line of somebody else's."""
    if (shown := visible(words)) != words:
        raise typer.BadParameter(f"{shown} holds characters that cannot be seen, or a line break; leave them out")
    return words


LONGEST_NAME, LONGEST_COMMENT = 100, 2000
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
FAULTS = ("errors", "latency", "inverted", "driver", "disk", "candidate", "gateway", "all")
As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who you are; it is kept in the record.", callback=_somebody)
]
Comment = Annotated[str, typer.Option(help="Why; it is kept in the record.", metavar="TEXT", callback=_short)]
Json = Annotated[bool, typer.Option("--json", help="For machines: JSON, no table.")]
Model = Annotated[
    str,
    typer.Argument(help="Registered model, which is also the route that clients ask.", autocompletion=_known("models")),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one value of the plan, such as guardrails.error_rate.limit=0.02; may be given again.",
    ),
]
OfWorkload = Annotated[
    str, typer.Option("--workload", metavar="NAME", help="What the model is about: it says what to ask and to train.")
]
Run = Annotated[
    str,
    typer.Argument(help="Run that waits: its id, its model, or `latest`.", autocompletion=_known("waiting")),
]


PlanFile = Annotated[
    Path | None,
    typer.Argument(help="Plan, YAML or JSON; none: the deployment's own.", exists=True, dir_okay=False),
]
Follow = Annotated[bool, typer.Option("--watch", help="Follow the run to its end, as `watch` does.")]


def done_by(module: str) -> Callable[[Command], Command]:
    """Have the function of the same name in `module`, which takes the same arguments, do what a command promises."""

    def decorate(promise: Command) -> Command:
        @functools.wraps(promise)
        def call(**given: Any) -> None:
            getattr(importlib.import_module(f"firstflight.cli.{module}"), promise.__name__)(**given)

        return call

    return decorate


@done_by("stack")
def up(*, as_json: Json = False) -> None:
    """Start the local stack, wait until every part answers, and deploy the project's flows.

    PostgreSQL, Prefect (server, page and a worker), MLflow, the Envoy gateway, the collector of predictions and the
    door for truths, all on loopback, kept alive by a supervisor that outlives this command. What runs already is left
    alone.

    State is kept in FIRSTFLIGHT_HOME (.firstflight here by default). A taken port is refused by name: set
    FIRSTFLIGHT_PORT_PREFECT, _MLFLOW, _GATEWAY, _OUTCOMES or _SERVERS (48 ports from there on).
    FIRSTFLIGHT_DATABASE_URL=postgresql://… uses a server of your own.

    Exit code 0: every part is up; 1: one did not start, and why.
    """


@done_by("stack")
def status(*, as_json: Json = False) -> None:
    """Show each part: whether it answers, its process, its address, its log; and the room for model servers.

    Exit code 0: every part is up; 3: at least one is down.
    """


@done_by("stack")
def down() -> None:
    """Stop every process of the local stack; nothing is lost.

    Models, predictions, runs and the ledger stay in FIRSTFLIGHT_HOME and are there again after the next `up`.
    Works too when the supervisor itself was killed: what it left behind is found and ended.

    Exit code 0, also when nothing ran.
    """


@done_by("open")
def open(  # noqa: A001 - the command's name
    word: Annotated[
        str | None,
        typer.Argument(
            help="Which rollout: its model, its id, its run's id or name, or `latest`; none: all of them.",
            autocompletion=_known("runs"),
        ),
    ] = None,
    *,
    prefect: Annotated[
        bool, typer.Option("--prefect", help="Open Prefect's page of the run instead, and end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show rollouts live in a browser: stages, traffic, evidence, what happens next, and the question to a person.

    The page is served on this machine alone until Ctrl-C. A file that only you can read leads there signed in, once:
    who is signed in answers what a rollout asks; everybody else on this machine reads. With --prefect: Prefect's page,
    the local stack's signed in, so that nobody types its password.

    Exit code 3: no stack has been up here, or nothing is known by that name.
    """


@done_by("doctor")
def doctor(
    *,
    as_json: Json = False,
    every: Annotated[bool, typer.Option("--all", help="Show what is well, too, when something is not.")] = False,
) -> None:
    """Look at everything a release needs, and say what is wrong and what to do about it. Changes nothing.

    On this machine: the stack's processes, PostgreSQL, Prefect and its worker, MLflow, the collector's lag, the
    gateway's splits against what it reports, a model server behind each share, disk. In a cluster
    (FIRSTFLIGHT_BACKEND names its kind, KUBECONFIG itself): the API, CRDs, runtime, servers and their live replicas,
    capabilities, memory, Secrets, quotas, network policies, Models, Experiments, Prometheus, and Prefect with its
    worker. On both, a real prediction through the gateway.

    Each line is pass, warn or fail, with what was found, what was wanted and the fix; its name is an anchor in
    docs/runbooks/doctor.md. Something that may not be seen is a warning that says which right is missing.

    Exit code 0: nothing fails (there may be warnings); 1: at least one line fails.
    """


@done_by("demo")
def demo(
    approve: Annotated[
        Literal["ask", "auto"], typer.Option(help="Who answers for the person: you, or `auto`.")
    ] = "ask",
    fault: Annotated[
        Literal["errors", "latency", "inverted"], typer.Option(help="What breaks in the last act.")
    ] = "errors",
    workload: Annotated[Literal["market", "digits"], typer.Option(help="What the models are about.")] = "market",
) -> None:
    """Train, deploy, A/B test, canary, approve and promote on real data; then break something.

    Its stack stays up for you to look at, and every command here speaks of it: `firstflight down` ends it. It starts
    from nothing: an earlier demo's home is moved aside, not deleted; a home that no demo made is refused.
    Exit code 1: the story did not end as it should.
    """


@done_by("train")
def train(
    file: Annotated[
        Path | None,
        typer.Option("--plan", help="Training or release plan; none: the defaults.", exists=True, dir_okay=False),
    ] = None,
    changes: Changes = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Most epochs for a variant; none: the plan's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random number; none: the plan's.")] = None,
    workload: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the model is about; none: the plan's.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Train a plan's variants side by side and register them in MLflow, without the orchestrator.

    The last that passes the gate is the challenger from then on, as after the flow; no traffic moves.

    Exit code 1: a variant cannot be trained, or MLflow does not answer; 2: the plan is not valid.
    """


@done_by("plan")
def plan(
    file: Annotated[
        Path,
        typer.Argument(help="Plan of a canary, an A/B test or a release, JSON or YAML.", exists=True, dir_okay=False),
    ],
    rate: Annotated[float, typer.Option(help="Requests per second on the route, all models together.", min=0.001)],
    changes: Changes = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=VALUE", help="Of the stable model: error rate, accuracy, share slower than the limit."
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show, per stage, how long a decision takes and the smallest regression it can see; and whether policies are kept.

    Of a release it is the canary; of an A/B test, how long its requests take. The policies are those of
    FIRSTFLIGHT_ENVIRONMENT and of the environment that the plan names.

    Exit code 4: a stage cannot answer within its time, not even in half of the cases, or a test's requests do not come
    in its time, or the plan falls short of a policy; 2: the plan is not valid.
    """


@done_by("replay")
def replay(
    model: Model,
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second, on average.")] = 50.0,
    seconds: Annotated[float | None, typer.Option(min=0.0, help="End after so many seconds.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="End after so many requests.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same arrivals.")] = 7,
    outcome_delay: Annotated[float, typer.Option(min=0.0, help="Seconds until the truth is posted.")] = 1.0,
    data: Annotated[str | None, typer.Option(help="Data of one's own, as in the training plan.")] = None,
    workload: OfWorkload = "market",
    *,
    as_json: Json = False,
) -> None:
    """Replay held-out days as live requests, and post the truth about each a moment later.

    Runs until --seconds or --requests are over, or until Ctrl-C; ends with a summary either way. Other models are asked
    the same way, with questions of their own: POST to the gateway's /v2/models/MODEL/infer.

    Exit code 0: every request was answered; 1: none was; 3: the gateway has no such route; 4: some were not.
    """


@done_by("start")
def canary(file: PlanFile = None, changes: Changes = None, *, follow: Follow = False, as_json: Json = False) -> None:
    """Start a canary: send more and more of a model's traffic to a candidate, and bring it home when it falters.

    The file may be a release's plan, too, whose canary is taken.

    Exit code 0: started; 2: the plan is not valid; 3: its flow is not deployed. With --watch that of `watch`.
    """


@done_by("start")
def ab_test(file: PlanFile = None, changes: Changes = None, *, follow: Follow = False, as_json: Json = False) -> None:
    """Start an A/B test: divide a model's traffic between variants for a planned number of requests, and compare.

    The file may be a release's plan, too, whose A/B test is taken.

    Exit code 0: started; 2: the plan is not valid; 3: its flow is not deployed. With --watch that of `watch`.
    """


@done_by("start")
def release(file: PlanFile = None, changes: Changes = None, *, follow: Follow = False, as_json: Json = False) -> None:
    """Start a release: train, deploy, A/B test, canary, promote.

    Exit code 0: started; 2: the plan is not valid; 3: its flow is not deployed. With --watch that of `watch`.
    """


@done_by("watch")
def watch(
    run: Annotated[str, typer.Argument(help="Flow run: its id or name, or `latest`.", autocompletion=_known("runs"))],
    *,
    as_json: Json = False,
) -> None:
    """Tell what a run has done, follow it until it ends, and say how it ended.

    Exit code 0: it did what it was for; 1: it failed; 3: there is no such run; 4: traffic went back to the stable
    model, or no candidate was good enough.
    """


@done_by("rollouts")
def approve(run: Run, name: As, comment: Comment = "", *, as_json: Json = False) -> None:
    """Let a waiting rollout go on to its next stage, and say which and on what evidence.

    Exit code 5: nothing is asked there, or the answer was not taken.
    """


@done_by("rollouts")
def reject(run: Run, name: As, comment: Comment, *, as_json: Json = False) -> None:
    """End a waiting rollout: traffic goes back to the stable model.

    Exit code 5: nothing is asked there, or the answer was not taken.
    """


@done_by("promote")
def promote(model: Model, name: As, comment: Comment, *, as_json: Json = False) -> None:
    """Have the candidate take over at once, because the stable model itself is failing.

    Refused unless the last look says so, and while the candidate breaks a limit of its own.

    Exit code 1: refused, and why.
    """


@done_by("roll_back")
def roll_back(
    model: Annotated[str, typer.Argument(help="Model whose open rollout is to end.")],
    reason: Comment = "asked for at a terminal",
    name: As = "terminal",
    *,
    as_json: Json = False,
) -> None:
    """Send all of a model's traffic to its stable version, now. Safe at any moment, and twice.

    Works without Prefect, MLflow, Slack and the database. Prints what was, what is, and how it was verified.

    Exit code 0: traffic is home, proved; 1: it is not, or that could not be proved.
    """


@done_by("init")
def init(
    name: Annotated[str, typer.Argument(help="Model, which is also the route that clients ask: a-z, 0-9 and -.")],
    *,
    as_json: Json = False,
) -> None:
    """Begin a workload of your own here: a module that says what answers are worth, two plans, and a test.

    For NAME churn: churn.py, churn-canary.yaml, churn-ab-test.yaml and test_churn.py, in the current folder. Plans name
    the workload churn:WORKLOAD, so the folder must be the project's (FIRSTFLIGHT_PROJECT, the current one by default),
    where flows look for modules too. docs/your-own-model.md goes on from here.

    Exit code 2: NAME cannot be one, or a file of that name is there already; nothing was written.
    """


@done_by("adopt")
def adopt(
    address: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_URI", help="models:/churn/7, models:/churn@champion, runs:/…/model, or an MLflow folder."
        ),
    ],
    variant: Annotated[str, typer.Option(metavar="NAME", help="What its design is called here.")],
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model and route it becomes a version of; none: as in the URI.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="Who you are; it is kept with the version.", callback=_nobody_or_somebody
        ),
    ] = None,
    *,
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Let it run code when it is loaded, as every pickle does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take a model out of MLflow as it is, and register it as a version that can be served.

    Any flavour that MLflow loads in Python: scikit-learn, XGBoost, LightGBM, PyTorch, ONNX, custom. It needs a
    signature, an input example, its requirements and the servers' Python; what is missing is said, all of it, with
    how to mend it. Nothing of it is run here.

    The first of a model is its champion, later ones the challenger. No offline gate has judged it: where a policy asks
    for the gate, it is neither, and no rollout tries it, until a waiver there names it.

    Exit code 1: it is refused, and why; 3: there is no such model.
    """


@done_by("adopt")
def deploy(
    model: Model,
    numbers: Annotated[list[int], typer.Argument(metavar="VERSION...", help="Numbers of registered versions.", min=1)],
    *,
    as_json: Json = False,
) -> None:
    """Serve registered versions, without the orchestrator; no traffic moves.

    A route that nobody answers yet is opened to its champion. An MLflow model is served from an environment of its own
    requirements, made the first time.

    Exit code 1: one cannot be served, and why, and what was served before still is; 3: there is no such version.
    """


@done_by("undeploy")
def undeploy(
    name: Annotated[str, typer.Argument(help="Served name, as `baseline-predictor-v3`; with --old, a model.")],
    *,
    old: Annotated[bool, typer.Option("--old", help="All that the model's ended rollouts left behind.")] = False,
    as_json: Json = False,
) -> None:
    """Stop serving a version that nothing needs, and free its place; `status` says how many are left.

    Refused for whoever has traffic or takes part in an open rollout. With --old: every version that took part in a
    rollout which has ended, but champion, challenger and the one before the last promotion, which stays warm; that
    happens by itself after each promotion. What is undeployed stays registered: deploy it again.

    Exit code 0: it is served no more; 1: refused, and why; 3: nothing is served under that name.
    """


@done_by("outcomes")
def outcomes(
    deed: Annotated[Literal["load", "status"], typer.Argument(help="Tell truths, or show how they stand.")],
    file: Annotated[
        Path | None, typer.Argument(help="What to load: CSV or Parquet.", exists=True, dir_okay=False)
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Tell what turned out to be true, or show how long truths take and how many predictions wait for theirs.

    A file has a row for each truth: request, or model and unit; truth; payoff, time and block if known. It may be
    loaded again: what was told before counts once.

    Exit code 0: told, or shown; 1: a row is malformed, or a truth contradicts the one told before, which stays.
    """


@done_by("rollouts")
def history(
    model: Model,
    last: Annotated[int, typer.Option(min=1, help="How many records, newest last.")] = 40,
    *,
    as_json: Json = False,
) -> None:
    """Tell what happened to a model: every record of its rollouts, with who wrote it.

    Exit code 3: the ledger has no rollout of it.
    """


@done_by("audit")
def audit(
    deed: Annotated[
        Literal["verify", "show", "replay", "at", "seal", "export", "key"], typer.Argument(help="What to do.")
    ],
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help="What it is done with.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Public key, or a file that holds it; none: the home's own.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of checkpoints that were kept elsewhere; none: FIRSTFLIGHT_LEDGER_ANCHORS.", exists=True
        ),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Prove that no record of the ledger was changed, taken away, put in or moved since it was sealed.

    verify [FILE]: hold the ledger, or an exported one, against its hashes and against checkpoints that were kept
    elsewhere, and name the first bad record. show ROLLOUT: tell every record of it, checks too. replay ROLLOUT: judge
    its recorded looks anew; verdicts and all numbers must agree to the last bit. at TIME MODEL: which
    version had traffic then (UTC), its digest, on what evidence and who approved. seal: take in what is new and print
    the checkpoint, as the guard does by itself. export FILE: write every record and checkpoint for whoever verifies
    them without the database. key: print the public key to hand out. See docs/audit.md.

    Exit code of show, replay and at, 3: the ledger does not tell of it.
    Exit code of replay: 1: a check differs, though the same rules judged it; 4: it differs, and other rules did,
    or no look holds what sent it home.
    Exit code of verify: 0 what a checkpoint kept elsewhere covers is what was sealed; 1: it is not, and where; 3:
    nothing was seen, which proves nothing; 4: it agrees with itself, and nothing from elsewhere vouches for it.
    Any deed, exit code 2: a word too many or too few.
    """


@done_by("guard")
def guard(
    *,
    seconds: Annotated[
        float | None, typer.Option(help="Watch for so long and end; a driver's silence takes 30 s to notice.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Watch all rollouts and bring home those whose driver is gone or whose candidate fails. Never promotes.

    Part of the local stack; a second one does no harm. Needs neither Prefect, MLflow, Slack nor the database to
    send traffic back to the stable model. Exit code 4 when it ended and had brought something home.
    """


@done_by("drill")
def drill(
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join(FAULTS),
            autocompletion=lambda: [*FAULTS],
            help="What to break; may be given again. None: everything that the drill's own route alone meets.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Model whose champion is copied for the drill.")] = "financial-predictor",
    workload: OfWorkload = "market",
    *,
    as_json: Json = False,
) -> None:
    """Fire drill: break rollouts of copies on a route of their own, and measure how they come home.

    Needs the running stack and a champion; sends its own requests and touches no other route. `gateway` (and so
    `all`) is the exception: it kills the one Envoy, and requests of every route fail for about a second.

    The table is kept in the ledger's stream drills/<date> and in reports/ below FIRSTFLIGHT_HOME.
    Exit code 0: every candidate came home within its promise; 1: one did not, or the drill could not run.
    """


@done_by("freezing")
def freeze(
    reason: Annotated[str, typer.Option(help="Why; everybody who is kept waiting reads it.", callback=_short)],
    name: As,
    since: Annotated[
        datetime | None,
        typer.Option(
            "--from", metavar="TIME", formats=_FORMATS, help="UTC, as 2026-12-24 or 2026-12-24T18:00; none: now."
        ),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", metavar="TIME", formats=_FORMATS, help="UTC; none: until `thaw`.")
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Let no rollout begin and none raise traffic: stop the line now, or announce a freeze window.

    Open rollouts stay at their weight, watched by the guard; going home is always allowed.

    Exit code 2: it has no reason, or ends before it begins.
    """


@done_by("freezing")
def thaw(reason: Comment, name: As, *, as_json: Json = False) -> None:
    """Lift every freeze, announced ones included.

    Exit code 0, also when nothing was frozen.
    """


@done_by("freezing")
def frozen(*, as_json: Json = False) -> None:
    """Show the freezes that stand. Exit code 4 when one holds now."""


SECTIONS: dict[str, tuple[Command, ...]] = {
    "The local stack": (up, status, down),
    "Wherever it runs": (doctor, open),
    "Try it": (demo, train, plan, replay),
    "Models": (init, adopt, deploy, undeploy),
    "A rollout": (canary, ab_test, release, watch, approve, reject, promote, roll_back, history, outcomes),
    "Safety": (guard, drill, freeze, thaw, frozen),
    "Evidence": (audit,),
}

EXAMPLES: dict[Command, tuple[str, ...]] = {
    canary: (
        "firstflight canary deployments/plans/demo-release.yaml --watch",
        "firstflight canary --set candidate=7 --set guardrails.error_rate.limit=0.02",
    ),
    ab_test: ("firstflight ab-test --set requests=5000 --watch",),
    release: ("firstflight release deployments/plans/demo-release.yaml --watch",),
    train: ("firstflight train --plan deployments/plans/demo-release.yaml --set seed=11",),
    plan: (
        "firstflight plan deployments/plans/demo-release.yaml --rate 50",
        "firstflight plan my.yaml --rate 50 --baseline error_rate=0.002",
    ),
    replay: ("firstflight replay financial-predictor --rate 50 --seconds 60",),
    watch: ("firstflight watch latest",),
    approve: ('firstflight approve latest --as ann --comment "the errors are known"',),
    reject: ('firstflight reject financial-predictor --as ann --comment "too slow"',),
    promote: ('firstflight promote financial-predictor --as ann --comment "stable fails"',),
    roll_back: ('firstflight roll-back financial-predictor --as ann --reason "complaints"',),
    init: ("firstflight init churn",),
    adopt: (
        "firstflight adopt models:/churn/7 --variant gbm --trust-code --as ann",
        "firstflight adopt models:/churn@champion --variant onnx",
    ),
    deploy: ("firstflight deploy churn 1 2",),
    undeploy: ("firstflight undeploy baseline-predictor-v3", "firstflight undeploy financial-predictor --old"),
    history: ("firstflight history financial-predictor --last 10",),
    outcomes: ("firstflight outcomes load my-labels.csv", "firstflight outcomes status"),
    audit: (
        "firstflight audit verify",
        "firstflight audit verify ledger.jsonl --key audit.pub --checkpoint kept.txt",
        "firstflight audit export ledger.jsonl",
        "firstflight audit at 2026-12-24T18:00 financial-predictor",
        "firstflight audit show financial-predictor-r3",
        "firstflight audit replay financial-predictor-r3",
        "firstflight audit key",
    ),
    doctor: ("firstflight doctor --json",),
    open: ("firstflight open latest", "firstflight open --prefect latest"),
    drill: ("firstflight drill --fault errors --fault latency",),
    freeze: (
        'firstflight freeze --as ann --reason "on call is ill"',
        "firstflight freeze --as al --reason feast --from 2026-12-24 --until 2026-12-27",
    ),
    thaw: ('firstflight thaw --as ann --reason "all are back"',),
    demo: ("firstflight demo --approve auto",),
}
EXIT_CODES = {
    0: "done, and well",
    1: "failed; the line in red says why",
    2: "not understood: a word, or a plan that is not valid",
    3: "not there: a part that is down, or a name that nothing has",
    4: "done, and somebody should look: rolled back, frozen, cannot answer in time",
    5: "an answer that was not taken",
}
"""What the command leaves for whoever called it; each command's help says which are its own."""
