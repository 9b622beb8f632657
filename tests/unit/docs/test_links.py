"""Every link of the documentation leads somewhere; `make docs` asks the same of the site."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.reference import pages

ROOT = Path(__file__).parents[3]
TEXTS = {
    **{
        str(page.relative_to(ROOT)): page.read_text("utf-8")
        for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    },
    **{f"docs/{place}": text for place, text in pages().items()},
}
PAGES = {page: MarkdownIt("commonmark").enable("table").parse(text) for page, text in TEXTS.items()}


def spans(tokens: list[Token]) -> Iterator[Token]:
    """Yield all that stands inside lines: text, links, pictures, HTML."""
    return itertools.chain.from_iterable(token.children or () for token in tokens)


def anchors(page: str) -> set[str]:
    """Return what a link to `page` may name: its headings, as GitHub and the site spell them, and its marks."""
    tokens = PAGES[page]
    titles = [after.content for before, after in itertools.pairwise(tokens) if before.type == "heading_open"]
    marks = (re.search(r'id="([^"]+)"', each.content) for each in spans(tokens) if each.type == "html_inline")
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles} | {
        mark[1] for mark in marks if mark
    }


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_somewhere(page: str) -> None:
    """A file of the repository, read without the site too, and in it a heading or a mark; no other server is asked."""
    lost = []
    for each in spans(PAGES[page]):
        link = str(each.attrs.get("href") or each.attrs.get("src") or "")
        if link and "://" not in link:
            name, _, anchor = link.partition("#")
            target = str(((ROOT / page).parent / name).resolve().relative_to(ROOT)) if name else page
            if not (target == page or (ROOT / target).is_file()) or (anchor and anchor not in anchors(target)):
                lost.append(link)
    assert [] == lost


def test_the_menu_names_every_page() -> None:
    """A page that nobody finds is not written; those at the root that the site adds are in it too."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]

    def files(menu: object) -> Iterator[str]:
        if isinstance(menu, str):
            yield menu
        for each in menu.values() if isinstance(menu, dict) else menu if isinstance(menu, list) else ():
            yield from files(each)

    named = sorted(files(yaml.safe_load(text)))
    assert sorted(page.removeprefix("docs/").replace("README", "index") for page in PAGES) == named
