"""Tell a Prefect server what this code can run: its work pool, its deployments, its automations.

`python -m deployments.register`, with PREFECT_API_URL; running it twice changes nothing. The local stack does it when
code changes, the cluster's worker each time it starts: so the image that registers is the one that runs.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from deployments import automations
from firstflight.settings import Settings

WORK_POOLS = Path(__file__).parent / "work_pools"
ONE_AT_A_TIME = "firstflight-register"
WAIT_SECONDS = 300


def job_template(image: str) -> dict[str, Any]:
    """Return the base job template of the pool `kubernetes`, whose jobs run `image`.

    Image, command and variables are no job variables: whoever may start a run could have any program run as the account
    `flows`, with its secrets.
    """
    template: dict[str, Any] = json.loads((WORK_POOLS / "kubernetes.json").read_text())
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    pod["containers"][0]["image"] = image
    return template


def process_template() -> dict[str, Any]:
    """Return the base job template of the pool `local`: whoever starts a run does not choose its command.

    With a command of its own Prefect 3.8 starts a run in one process, without one in two, of which the first only
    looks where the code is: two seconds of imports more.
    """
    template: dict[str, Any] = json.loads((WORK_POOLS / "local.json").read_text())
    template["job_configuration"]["command"] = shlex.join((sys.executable, "-m", "prefect.engine"))
    return template


def register_pool(client: SyncPrefectClient, pool: str, kind: str, template: dict[str, Any]) -> None:
    """Create the pool of a kind (`process`, `kubernetes`), or bring its template up to date."""
    try:
        client.read_work_pool(pool)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=pool, type=kind, base_job_template=template))
    else:
        client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))


@contextmanager
def alone(client: SyncPrefectClient) -> Iterator[None]:
    """Wait until nobody else registers: several workers may start at once, and each would make the automations."""
    with suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(ONE_AT_A_TIME, 1)
    with concurrency(ONE_AT_A_TIME, occupy=1, timeout_seconds=WAIT_SECONDS, strict=True):
        yield


def main() -> None:
    """Register everything; on one machine there is one worker, hence nobody else who registers."""
    settings = Settings()
    with get_client(sync_client=True) as client:
        if settings.work_pool == "local":
            register_pool(client, settings.work_pool, "process", process_template())
            register_deployments(settings)
            return
        with alone(client):
            register_pool(client, settings.work_pool, "kubernetes", job_template(os.environ["FIRSTFLIGHT_IMAGE"]))
            register_deployments(settings)


def register_deployments(settings: Settings) -> None:
    """Create or update what prefect.yaml says, then the automations, which name deployments."""
    subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=settings.project,
        env={
            **os.environ,
            "FIRSTFLIGHT_PROJECT": str(settings.project),
            "FIRSTFLIGHT_WORK_POOL": settings.work_pool,
        },
        stdin=subprocess.DEVNULL,
        check=True,
    )
    for name in automations.register():
        print(f"automation: {name}")


if __name__ == "__main__":
    main()
