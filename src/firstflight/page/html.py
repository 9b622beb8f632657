"""The pages as HTML: values in, text out; every word of people is escaped."""

import functools
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from firstflight.decision.reasons import ends, meaning, ratio_words
from firstflight.domain.samples import NoData
from firstflight.domain.wording import duration, gap, metric_name, odds, quantity
from firstflight.page.view import TONES, Home, RolloutView
from firstflight.rollout.machine import Rollout


@functools.cache
def _pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("firstflight.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for said in (quantity, gap, odds, metric_name, duration, meaning, ends, ratio_words, relative):
        pages.filters[said.__name__] = said
    pages.filters["clock"] = lambda at: f"{at.astimezone(UTC):%H:%M:%S}"
    pages.filters["day"] = lambda at: f"{at.astimezone(UTC):%-d %B %Y}"
    pages.filters["tone"] = lambda rollout: TONES.get(rollout.phase, "info")
    pages.tests["absent"] = lambda section: isinstance(section, NoData)
    return pages


def relative(at: datetime, now: datetime) -> str:
    """Return how far `at` is from `now`, in words."""
    seconds = round((at - now).total_seconds())
    if seconds == 0:
        return "now"
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def home(seen: Home) -> str:
    """Return the page of everything."""
    return _pages().get_template("home.html.j2").render(seen=seen, now=seen.at)


def model(name: str, told: tuple[Rollout, ...], now: datetime) -> str:
    """Return the page of a model: its rollouts, newest first."""
    return _pages().get_template("model.html.j2").render(name=name, told=told, now=now)


def rollout(view: RolloutView, *, prefect: str, report: bool) -> str:
    """Return the page of a rollout; `prefect` is its run's page, `report` whether there is one to link to."""
    return _pages().get_template("rollout.html.j2").render(view=view, now=view.at, prefect=prefect, report=report)


def sign_in() -> str:
    """Return the page that takes a code from its own address."""
    return _pages().get_template("sign_in.html.j2").render()


def said(title: str, what: str) -> str:
    """Return a page that says one thing."""
    return _pages().get_template("said.html.j2").render(title=title, what=what)
