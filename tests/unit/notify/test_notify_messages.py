"""What people are told, and how it looks in Slack."""

import json
import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.notify.blocks import WHOLE, escaped, to_blocks, to_text
from firstflight.notify.messages import Kind, Message

RUN = "http://127.0.0.1:4200/runs/flow-run/0b1c"
ROLLED_BACK = Message(
    kind="rolled back",
    model="churn",
    rollout="churn-r2",
    headline="churn: lightweight-predictor-v3 rolled back at 25 %",
    facts=(("Trigger: p95 latency", "412 ms, limit 200 ms"), ("Harmed requests", "1,310")),
    reasons=("p95 latency is above 200 ms with certainty: 412 ms in 380 requests",),
    link=RUN,
)
EVERY_KIND = [ROLLED_BACK.model_copy(update={"kind": kind}) for kind in get_args(Kind)]
MESSAGES = st.builds(
    Message,
    kind=st.sampled_from(get_args(Kind)),
    model=st.text(max_size=20),
    rollout=st.text(max_size=20),
    headline=st.text(max_size=400),
    facts=st.lists(st.tuples(st.text(max_size=200), st.text(max_size=4000)), max_size=12).map(tuple),
    reasons=st.lists(st.text(max_size=900), max_size=14).map(tuple),
    link=st.none() | st.text(max_size=2000).map(lambda path: "http://127.0.0.1/" + path),
)


def check_block_kit(blocks: list[dict[str, Any]]) -> None:
    """Assert the limits that Slack documents for the blocks in use."""
    assert 1 <= len(blocks) <= 50
    for block in blocks:
        if block["type"] == "header":
            assert "plain_text" == block["text"]["type"]
            assert 1 <= len(block["text"]["text"]) <= 150
        else:
            assert "section" == block["type"]
            assert ("text" in block) != ("fields" in block)
            texts = [block["text"]] if "text" in block else block["fields"]
            assert 1 <= len(texts) <= 10
            for text in texts:
                assert ("mrkdwn", True) == (text["type"], text["verbatim"])
                assert 1 <= len(text["text"]) <= (3000 if "text" in block else 2000)


def shown(message: Message) -> str:
    """Everything that Slack would show of `message`."""
    return json.dumps(to_blocks(message), ensure_ascii=False)


def test_a_message_reads_as_text_and_as_blocks() -> None:
    """Headline, facts, reasons and link stand in both."""
    assert (
        "churn: lightweight-predictor-v3 rolled back at 25 %\n"
        "  Trigger: p95 latency: 412 ms, limit 200 ms\n"
        "  Harmed requests: 1,310\n"
        "  - p95 latency is above 200 ms with certainty: 412 ms in 380 requests\n"
        f"  {RUN}"
    ) == ROLLED_BACK.text
    for part in (ROLLED_BACK.headline, "412 ms, limit 200 ms", "1,310", "with certainty", f"<{RUN}|Open the run>"):
        assert part in shown(ROLLED_BACK)


def test_a_question_links_to_where_it_is_answered() -> None:
    """The link of an approval says what to do there."""
    assert f"<{RUN}|Open the run to answer>" in shown(ROLLED_BACK.model_copy(update={"kind": "approval wanted"}))


@pytest.mark.parametrize("message", EVERY_KIND, ids=lambda message: message.kind)
def test_every_kind_fits_block_kit(message: Message) -> None:
    """Each message there is obeys Block Kit, survives JSON and has a text in place of its blocks."""
    check_block_kit(to_blocks(message))
    assert message == Message.model_validate_json(message.model_dump_json())
    assert message.headline in to_text(message)


@given(MESSAGES)
def test_any_text_fits_block_kit_and_commands_nothing(message: Message) -> None:
    """However long or hostile a text is, Slack takes the message, and no `<!channel>` in it is obeyed."""
    blocks = to_blocks(message)
    check_block_kit(blocks)
    assert sum(map(len, _texts(blocks))) <= WHOLE
    assert len(to_text(message)) <= 3000
    texts = [text["text"] for block in blocks for text in block.get("fields", [block.get("text")])]
    if message.link and texts[-1].startswith("<http://127.0.0.1/"):
        link = texts.pop()
        assert re.fullmatch(r"<[^<>|\s]+\|Open the run( to answer)?>", link)
    for text in [*texts, to_text(message)]:
        assert not set("<>") & set(text)
        assert set(re.findall(r"&[^;]{0,4};?", text)) <= {"&amp;", "&lt;", "&gt;"}


@given(st.text(alphabet="ab&<>", max_size=60), st.integers(min_value=10, max_value=60))
def test_a_cut_never_splits_an_escape(text: str, limit: int) -> None:
    """What is cut ends in whole characters, and nothing is cut that fits."""
    result = escaped(text, limit)
    assert len(result) <= limit
    whole = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert result == whole if len(whole) <= limit else whole.startswith(result.removesuffix("…"))
    assert re.fullmatch(r"([ab…]|&amp;|&lt;|&gt;)*", result)


def test_a_message_is_cut_as_a_whole_and_says_where_the_rest_is() -> None:
    """Ten long facts and ten long reasons, each within its own limit, would be refused together."""
    long = "word " * 600
    message = Message(
        kind="rolled back",
        model="m",
        rollout="m-r1",
        headline="m: v2 rolled back",
        facts=(("Short", "whole"), *((f"Fact {number}", long) for number in range(9))),
        reasons=(long,) * 10,
        link="https://prefect.example/run/1",
    )
    blocks = to_blocks(message)
    assert len(json.dumps(blocks, ensure_ascii=False)) < 10_500  # Slack counts texts; the rest are braces
    assert sum(map(len, _texts(blocks))) <= WHOLE
    assert "*Short*\nwhole" == blocks[1]["fields"][0]["text"]
    assert all("…" in field["text"] for field in blocks[1]["fields"][1:])
    [*_, rest, link] = _texts(blocks)
    assert "Cut to what Slack takes; the rest is shown on the run's page, linked below" in rest
    assert "`firstflight history m`" in rest
    assert "<https://prefect.example/run/1|Open the run>" == link


def test_a_message_that_fits_says_nothing_of_a_cut() -> None:
    """Nor does one that leaves out nothing."""
    message = Message(kind="promoted", model="m", rollout="m-r1", headline="m: v2 promoted", facts=(("A", "b"),))
    assert ["header", "section"] == [block["type"] for block in to_blocks(message)]


def test_facts_and_reasons_beyond_what_slack_shows_are_said_to_be_left_out() -> None:
    """They are short, and too many."""
    many = tuple((f"Fact {number}", "x") for number in range(11))
    message = Message(kind="promoted", model="m", rollout="m-r1", headline="m: v2 promoted", facts=many)
    assert "the rest is shown by `firstflight history m`" in _texts(to_blocks(message))[-1]


def _texts(block: Any) -> list[str]:
    if isinstance(block, dict):
        own = [block["text"]] if isinstance(block.get("text"), str) else []
        return own + [text for value in block.values() for text in _texts(value)]
    return [text for one in block for text in _texts(one)] if isinstance(block, list) else []
