"""A message as Slack's Block Kit.

Limits and escapes: https://docs.slack.dev/reference/block-kit/blocks and
https://docs.slack.dev/messaging/formatting-message-text. Slack refuses a whole message when one text in it
is too long, or all of them together, so every text is clipped, counted as it is sent, and so is the whole: what is
left out is said, and linked.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from firstflight.domain.wording import visible
from firstflight.notify.messages import Kind, Message

HEADER = 150
SECTION = 3000
FIELD = 2000
FIELDS = 10
TEXT = 3000  # Slack takes 40,000 and recommends at most 4,000
WHOLE = 9000  # of all blocks: Slack refuses longer ones with msg_blocks_too_long, and documents no number
_REASONS = 10
_LABEL = 100
_SHORTEST = 60  # of a fact's value, however many there are

_SIGNS: dict[Kind, str] = {
    "started": ":airplane_departure:",
    "compared": ":bar_chart:",
    "stage passed": ":white_check_mark:",
    "approval wanted": ":raised_hand:",
    "promoted": ":trophy:",
    "rolled back": ":rotating_light:",
    "home fails": ":sos:",
    "silent": ":rotating_light:",
}
_LINK_LABELS: dict[Kind, str] = {"approval wanted": "Open the run to answer"}
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def to_blocks(message: Message) -> list[dict[str, Any]]:
    """Return the blocks that show `message`: headline, facts two abreast, reasons, what was left out, link."""
    sign = _SIGNS[message.kind]
    headline = escaped(visible(" ".join(message.headline.split())), HEADER - len(sign) - 1)
    url = _url(message)
    room = WHOLE - HEADER - 2 * len(url or "") - 2 * _LABEL
    reasons = _reasons(message.reasons)
    facts = _facts(message.facts[:FIELDS], room - len(reasons))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{sign} {headline}", "emoji": True}}
    ]
    if facts:
        blocks.append({"type": "section", "fields": [_mrkdwn(fact) for fact in facts]})
    if reasons:
        blocks.append({"type": "section", "text": _mrkdwn(reasons)})
    if len(message.facts) > FIELDS or len(message.reasons) > _REASONS or any("…" in one for one in (*facts, reasons)):
        where = "on the run's page, linked below, and by" if url else "by"
        rest = (
            f"Cut to what Slack takes; the rest is shown {where} `firstflight history {escaped(message.model, _LABEL)}`"
        )
        blocks.append({"type": "section", "text": _mrkdwn(rest)})
    if url:
        label = _LINK_LABELS.get(message.kind, "Open the run")
        # A link in text, not a button: a button without an interaction endpoint shows people a warning.
        blocks.append({"type": "section", "text": _mrkdwn(f"<{url}|{label}>")})
    return blocks


def _url(message: Message) -> str | None:
    if message.link and len(url := _in_angle_brackets(message.link)) < SECTION - FIELD:
        return url
    return None


def _facts(facts: Sequence[tuple[str, str]], room: int) -> list[str]:
    """Return what shows facts within `room`: short ones whole, long ones with what those leave, divided evenly."""
    whole = [_fact(label, value, FIELD - _LABEL - 10) for label, value in facts]
    shown: dict[int, str] = {}
    for done, number in enumerate(sorted(range(len(facts)), key=lambda one: len(whole[one]))):
        left = len(facts) - done
        label, value = facts[number]
        shown[number] = _fact(label, value, max(_SHORTEST, min(FIELD - _LABEL - 10, room // left - _LABEL - 10)))
        room -= len(shown[number])
    return [shown[number] for number in range(len(facts))]


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


def _fact(label: str, value: str, room: int) -> str:
    return f"*{escaped(visible(label), _LABEL)}*\n{escaped(visible(value), room)}"


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
