"""One examination of wherever the settings point: all parts at the same time, told in one order."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from firstflight.doctor.machine import machine_findings
from firstflight.doctor.orchestration import orchestration_findings
from firstflight.doctor.records import record_findings
from firstflight.domain.errors import FirstflightError, MetricsUnavailableError
from firstflight.domain.findings import Finding, Report, failed
from firstflight.observation.targets import read_targets, target_findings, unreachable
from firstflight.serving.diagnosis import Examined, examine_serving
from firstflight.settings import Settings

Part = Callable[[Settings], tuple[Finding, ...]]


def examine(settings: Settings) -> Report:
    """Return what is found; nothing is changed, and nothing that does not answer is waited for longer than seconds."""
    began = time.monotonic()
    on_this_machine = settings.backend == "local"
    parts: tuple[Part, ...] = (
        *((machine_findings,) if on_this_machine else ()),
        orchestration_findings,
        record_findings,
    )
    with ThreadPoolExecutor(len(parts) + 1, thread_name_prefix="doctor") as pool:
        serving = pool.submit(_serving, settings)
        found = [finding for done in pool.map(lambda part: _examined(part, settings), parts) for finding in done]
        examined = serving.result()
    findings = (*found, *examined.findings) if on_this_machine else (*examined.findings, *found)
    return Report(home=examined.home, findings=findings, seconds=round(time.monotonic() - began, 2))


def _serving(settings: Settings) -> Examined:
    try:
        examined = examine_serving(settings)
    except FirstflightError as error:
        return Examined("what serves", (_unexamined("serving", error),))
    if examined.scraped is None:
        return examined
    return Examined(examined.home, (*examined.findings, *_scraped(settings.prometheus_url, examined.scraped)))


def _scraped(url: str, namespace: str) -> tuple[Finding, ...]:
    try:
        return tuple(target_findings(read_targets(url), namespace, datetime.now(UTC)))
    except MetricsUnavailableError as error:
        return (unreachable(error),)


def _examined(part: Part, settings: Settings) -> tuple[Finding, ...]:
    try:
        return part(settings)
    except FirstflightError as error:
        return (_unexamined(part.__name__.removesuffix("_findings"), error),)


def _unexamined(subject: str, error: FirstflightError) -> Finding:
    return failed(
        "unexamined",
        subject,
        f"{type(error).__name__}: {error}",
        wanted="an examination that comes to its end",
        fix="see what it says; the other lines stand",
    )
