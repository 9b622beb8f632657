"""Fit one variant in a process of its own: `python -m firstflight.workloads.market.training.worker`.

Reads a pickled `Job` from standard input, writes one JSON line per epoch and a last one with the
result to standard output. Torch's random state and thread count belong to a process, so variants
that train side by side are reproducible only apart. A plain program rather than a pool of
`multiprocessing`: that would import the caller's main module again, an orchestrator's engine included.
"""

import os
import pickle
import sys

from firstflight.domain.errors import TrainingFailedError
from firstflight.workloads.market.training.job import Job, Line
from firstflight.workloads.market.training.train import fit_variant


def main() -> None:
    """Do the job that stands on standard input."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as lines:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print must not mix with the lines

        def say(line: Line) -> None:
            print(line.model_dump_json(exclude_none=True), file=lines, flush=True)

        job: Job = pickle.load(sys.stdin.buffer)  # noqa: S301 written by the parent process, which started this one
        try:
            fitted = fit_variant(
                job.plan,
                job.variant,
                job.dataset,
                job.folder,
                commit=job.commit,
                on_epoch=lambda epoch: say(Line(epoch=epoch)),
            )
        except TrainingFailedError as error:
            say(Line(failed=str(error)))
        else:
            say(Line(fitted=fitted))


if __name__ == "__main__":
    main()
