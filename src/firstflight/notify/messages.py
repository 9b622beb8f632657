"""What people are told: a value free of markup, which every notifier shows in its own way."""

from typing import Literal

from firstflight.domain.values import Value

Kind = Literal["started", "compared", "stage passed", "approval wanted", "promoted", "rolled back", "home fails"]


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
        """The whole message as plain text."""
        lines = [self.headline]
        lines += [f"  {label}: {value}" for label, value in self.facts]
        lines += [f"  - {reason}" for reason in self.reasons]
        lines += [f"  {self.link}"] if self.link else []
        return "\n".join(lines)
