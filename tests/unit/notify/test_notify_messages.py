"""What people are told, and how it looks in Slack."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.notify.blocks import escaped, to_blocks, to_text
from firstflight.notify.messages import (
    Breach,
    Message,
    approval_wanted,
    blocked,
    compared,
    promoted,
    rolled_back,
    stage_passed,
    started,
)

RUN = "http://127.0.0.1:4200/runs/flow-run/0b1c"
ROLLED_BACK = rolled_back(
    model="churn",
    rollout="churn-r2",
    stable="baseline-predictor-v1",
    candidate="lightweight-predictor-v3",
    stage=25,
    breaches=(Breach(metric="latency p95", value="412 ms", limit="200 ms"),),
    reasons=("p95 latency is above 200 ms with certainty: 412 ms in 380 requests",),
    harmed=1310,
    seconds=11.04,
    link=RUN,
)
EVERY_KIND = [
    started(model="m", rollout="m-r1", stable="a-v1", candidate="b-v2", stages=(5, 50, 100), link=RUN),
    compared(model="m", rollout="m-r1", headline="Try b.", reasons=("not worse",), link=None),
    stage_passed(model="m", rollout="m-r1", candidate="b-v2", stage=5, next_stage=50, reasons=("good",), link=RUN),
    approval_wanted(
        model="m",
        rollout="m-r1",
        candidate="b-v2",
        stage=50,
        answer_by=datetime(2026, 3, 1, 12, tzinfo=UTC),
        reasons=(),
        link=RUN,
    ),
    promoted(model="m", rollout="m-r1", stable="a-v1", candidate="b-v2", link=RUN),
    ROLLED_BACK,
    blocked(model="m", rollout="m-r1", what="no data for 300 s", reasons=("is anybody asking?",), link=None),
]
MESSAGES = st.builds(
    Message,
    kind=st.sampled_from([message.kind for message in EVERY_KIND]),
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


def test_a_rollback_tells_trigger_value_limit_harm_and_link() -> None:
    """Whoever reads the message knows what broke, by how much, what it cost and where to look."""
    assert (
        "churn: lightweight-predictor-v3 rolled back at 25 %\n"
        "  Trigger: latency p95: 412 ms, limit 200 ms\n"
        "  Serves now: baseline-predictor-v1 100 %\n"
        "  Harmed requests: 1,310\n"
        "  Breach to safety: 11.0 s\n"
        "  Rollout: churn-r2\n"
        "  - p95 latency is above 200 ms with certainty: 412 ms in 380 requests\n"
        f"  {RUN}"
    ) == ROLLED_BACK.text
    for part in ("412 ms", "limit 200 ms", "1,310", "11.0 s", f"<{RUN}|Open the run>"):
        assert part in shown(ROLLED_BACK)


def test_what_was_not_measured_is_not_zero() -> None:
    """Unknown harm and unknown time are said to be unknown."""
    unknown = rolled_back(
        model="m",
        rollout="r",
        stable="a",
        candidate="b",
        stage=None,
        breaches=(),
        reasons=(),
        harmed=None,
        seconds=None,
        link=None,
    )
    assert "Harmed requests: not counted" in unknown.text
    assert "Breach to safety: not measured" in unknown.text
    assert "m: b rolled back\n" in unknown.text


def test_an_approval_links_to_the_run_and_says_what_silence_means() -> None:
    """The question carries its deadline, what happens without an answer, and where to answer."""
    text = shown(EVERY_KIND[3])
    for part in ("2026-03-01 12:00:00 UTC", "back to the stable model", f"<{RUN}|Open the run to answer>"):
        assert part in text


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
