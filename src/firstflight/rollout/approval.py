"""A person's answer to the question whether a rollout may go on."""

from typing import Literal

from pydantic import Field

from firstflight.domain.values import Form


class Answer(Form):
    """Who answered, what, and why. No field that matters has a default: silence is not consent."""

    approver: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"\S",
        title="Your name",
        description="Who you are; it is kept in the record.",
    )
    decision: Literal["approve", "reject"] = Field(
        description="approve: the rollout goes on to the next stage. reject: all traffic goes back to the stable model."
    )
    comment: str = Field(max_length=2000, description="Why; it is kept in the record.")


def key(rollout: str, stage: int, attempt: int) -> str:
    """Name of the question in Prefect; an attempt that died with its question open asks a new one."""
    return f"{rollout}-{stage}-{attempt}"
