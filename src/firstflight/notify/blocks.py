"""A message as Slack's Block Kit.

Limits and escapes: https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/messaging/formatting-message-text. Slack refuses a whole message when one text in it
is too long, so every text is clipped, counted as it is sent.
"""

from typing import Any
from urllib.parse import quote

from firstflight.domain.wording import visible
from firstflight.notify.messages import Kind, Message

HEADER = 150
SECTION = 3000
FIELD = 2000
FIELDS = 10
TEXT = 3000  # Slack takes 40,000 and recommends at most 4,000
_REASONS = 10

_SIGNS: dict[Kind, str] = {
    "started": ":airplane_departure:",
    "compared": ":bar_chart:",
    "stage passed": ":white_check_mark:",
    "approval wanted": ":raised_hand:",
    "promoted": ":trophy:",
    "rolled back": ":rotating_light:",
    "home fails": ":sos:",
}
_LINK_LABELS: dict[Kind, str] = {"approval wanted": "Open the run to answer"}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def to_blocks(message: Message) -> list[dict[str, Any]]:
    """Return the blocks that show `message`: headline, facts two abreast, reasons, link."""
    sign = _SIGNS[message.kind]
    headline = escaped(visible(" ".join(message.headline.split())), HEADER - len(sign) - 1)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{sign} {headline}", "emoji": True}}
    ]
    if message.facts:
        facts = [_mrkdwn(_fact(label, value)) for label, value in message.facts[:FIELDS]]
        blocks.append({"type": "section", "fields": facts})
    if message.reasons:
        blocks.append({"type": "section", "text": _mrkdwn(_reasons(message.reasons))})
    if message.link and len(url := _in_angle_brackets(message.link)) < SECTION - FIELD:
        label = _LINK_LABELS.get(message.kind, "Open the run")
        # A link in text, not a button: a button without an interaction endpoint shows people a warning.
        blocks.append({"type": "section", "text": _mrkdwn(f"<{url}|{label}>")})
    return blocks


def to_text(message: Message) -> str:
    """Return the plain text that notifications and screen readers use in place of the blocks."""
    return escaped(message.text, TEXT)


def escaped(text: str, limit: int) -> str:
    """Return `text` with Slack's control characters escaped, cut so that the result has at most `limit` characters."""
    pieces = [_ESCAPES.get(character, character) for character in text]
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    kept, room = [], limit - 1
    for piece in pieces:
        if len(piece) > room:
            break
        kept.append(piece)
        room -= len(piece)
    return "".join([*kept, "…"])


def _fact(label: str, value: str) -> str:
    return f"*{escaped(visible(label), 100)}*\n{escaped(visible(value), FIELD - 110)}"


def _reasons(reasons: tuple[str, ...]) -> str:
    room = SECTION // _REASONS - 10
    lines = [f"• {escaped(visible(reason), room)}" for reason in reasons[:_REASONS]]
    if (left := len(reasons) - _REASONS) > 0:
        lines.append(f"… and {left} more")
    return "\n".join(lines)


def _in_angle_brackets(url: str) -> str:
    """Return `url` so that nothing in it ends the link it stands in."""
    return quote(url, safe="/:?#[]@!$&'()*+,;=%~").replace("&", "&amp;")


def _mrkdwn(text: str) -> dict[str, Any]:
    """A text object; verbatim, so that a name in it is neither linked nor notified."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
