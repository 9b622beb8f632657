"""The doctor's examination, as a run of Prefect."""

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from firstflight.doctor.examine import examine
from firstflight.domain.findings import Report, Status
from firstflight.settings import Settings

KEY = "foundation"


@task(cache_policy=NO_CACHE, persist_result=False)
def examine_foundation() -> Report:
    """Look at everything, change nothing. What does not answer is a finding, so there is nothing to try again."""
    return examine(Settings())


@task(cache_policy=NO_CACHE, persist_result=False)
def publish(report: Report) -> None:
    """Leave the report as a table, what fails first; each examination is a version of the same artifact."""
    order = (Status.FAIL, Status.WARN, Status.PASS)
    create_table_artifact(key=KEY, table=table(report, order), description=f"**{sentence(report)}**")


def table(report: Report, order: tuple[Status, ...]) -> list[dict[str, str]]:
    """Return one row for each finding."""
    return [
        {
            "": str(finding.status),
            "what": finding.subject,
            "found": finding.found,
            "wanted": finding.wanted,
            "fix": finding.fix,
            "more": finding.runbook or "",
        }
        for finding in sorted(report.findings, key=lambda finding: order.index(finding.status))
    ]


def sentence(report: Report) -> str:
    """Return the report in one line: what fails, by name."""
    fails = sorted({finding.id for finding in report.findings if finding.status is Status.FAIL})
    counted = ", ".join(f"{report.count(status)} {status}" for status in Status)
    return f"{report.home}: {counted}" + (f" ({', '.join(fails)})" if fails else "")
