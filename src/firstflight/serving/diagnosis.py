"""The examination of whatever serves: the same question on every home."""

from dataclasses import dataclass
from typing import assert_never

from firstflight.domain.findings import Finding
from firstflight.settings import Settings


@dataclass(frozen=True)
class Examined:
    """What was examined, what was found, and the namespace whose pods Prometheus should scrape, if any."""

    home: str
    findings: tuple[Finding, ...]
    scraped: str | None = None


def examine_serving(settings: Settings) -> Examined:
    """Return what is found where `settings.backend` serves. Nothing is changed; one prediction is asked for."""
    # Imported where needed: each home needs packages that the other does without.
    match settings.backend:
        case "local":
            from firstflight.serving.local import diagnosis as local  # noqa: PLC0415 see above

            return Examined(f"the local stack in {settings.home}", local.diagnose(settings))
        case "seldon":
            from firstflight.serving.seldon.diagnosis.examination import examine  # noqa: PLC0415 see above

            return Examined(
                f"namespace {settings.namespace} of the cluster", examine(settings), scraped=settings.namespace
            )
        case unknown:
            assert_never(unknown)
