"""Train several variants at once, each in a process of its own; torch is imported there alone."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import build_dataset
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.job import Job, Line
from firstflight.workloads.market.training.recording import conclude, epochs_to, tracked
from firstflight.workloads.market.training.trained import Epoch, FittedVariant, OnEpoch, TrainedVariant
from firstflight.workloads.market.training.variants import REFERENCE, VARIANTS
from firstflight.workloads.tracking import Tracker

LOG_TAIL = 2000

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # glibc gives every freed tensor back to the kernel and asks for it again in the next batch: a fifth
    # of the time of an epoch went there. These keep the memory in the process (ignored elsewhere).
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""What each training process gets besides the caller's environment."""


def train_side_by_side(
    plan: TrainingPlan,
    market: Market,
    folder: Path,
    tracker: Tracker,
    *,
    commit: str,
    on_epoch: Callable[[str, Epoch], None] = lambda _variant, _epoch: None,
    reference: Evaluation | None = None,
) -> tuple[TrainedVariant, ...]:
    """Train every variant of `plan` and return them in its order; artifacts lie in `folder/<variant>`.

    The gate compares with the plan's own baseline, or with `reference` when the plan trains none.
    `on_epoch` is called from other threads. The first variant that fails ends the others.

    Raises:
        TrainingFailedError: A variant cannot be fitted, evaluated or exported, or its process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    datasets = {
        groups: build_dataset(market, groups, plan.max_rows) for groups in {VARIANTS[v].groups for v in plan.variants}
    }
    jobs = [Job(plan, v, datasets[VARIANTS[v].groups], folder, commit) for v in plan.variants]
    with ExitStack() as stack:
        runs = {
            j.variant: stack.enter_context(tracked(tracker, plan, j.variant, j.dataset.digest, commit)) for j in jobs
        }

        def listener(variant: str) -> OnEpoch:
            return epochs_to(runs[variant], also=lambda epoch: on_epoch(variant, epoch))

        fitted = _fit_all([(job, listener(job.variant)) for job in jobs])
        against = fitted[REFERENCE].validation if REFERENCE in fitted else reference
        return tuple(
            conclude(
                fitted[variant],
                market,
                runs[variant],
                reference=None if variant == REFERENCE else against,
                others={name: other.test for name, other in fitted.items() if name != variant},
            )
            for variant in plan.variants
        )


def _fit_all(jobs: list[tuple[Job, OnEpoch]]) -> dict[str, FittedVariant]:
    with ExitStack() as stack:
        children = [stack.enter_context(_child(job)) for job, _ in jobs]
        pool = stack.enter_context(ThreadPoolExecutor(len(jobs)))
        fitted = [
            pool.submit(_follow, child, job, on_epoch) for child, (job, on_epoch) in zip(children, jobs, strict=True)
        ]
        try:
            return {done.variant: done for done in (future.result() for future in as_completed(fitted))}
        except BaseException:  # an interrupt too: children must not outlive who waits for them
            for child in children:
                child.kill()
            raise


def _child(job: Job) -> "subprocess.Popen[bytes]":
    here = str(Path(__file__).parents[4])
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    with _log(job).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "firstflight.workloads.market.training.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": path},
        )


def _follow(child: "subprocess.Popen[bytes]", job: Job, on_epoch: OnEpoch) -> FittedVariant:
    assert child.stdin is not None  # noqa: S101 both are pipes
    assert child.stdout is not None  # noqa: S101
    try:
        with child.stdin:
            pickle.dump(job, child.stdin, protocol=pickle.HIGHEST_PROTOCOL)
    except BrokenPipeError:
        pass  # it died; its log says why
    for text in child.stdout:
        line = Line.model_validate_json(text)
        if line.epoch is not None:
            on_epoch(line.epoch)
        elif line.fitted is not None:
            return line.fitted
        elif line.failed is not None:
            raise TrainingFailedError(line.failed)
    tail = _log(job).read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
    raise TrainingFailedError(
        f"{job.variant}: its process ended with code {child.wait()} and no result; the end of {_log(job)}:\n{tail}"
    )


def _log(job: Job) -> Path:
    return job.folder / f"{job.variant}.log"
