"""What people are told: a value free of markup, which every notifier shows in its own way."""

from typing import Literal

from firstflight.domain.values import Value
from firstflight.domain.wording import visible

Kind = Literal[
    "started", "compared", "stage passed", "approval wanted", "promoted", "rolled back", "home fails", "silent"
]


class Message(Value):
    """One message: the headline says what happened, the facts how much, the reasons why."""

    kind: Kind
    model: str
    rollout: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()
    link: str | None = None

    @property
    def text(self) -> str:
        """The whole message as plain text: nobody's words make a line of their own."""
        lines = [visible(self.headline)]
        lines += [f"  {visible(label)}: {visible(value)}" for label, value in self.facts]
        lines += [f"  - {visible(reason)}" for reason in self.reasons]
        lines += [f"  {visible(self.link)}"] if self.link else []
        return "\n".join(lines)
