"""Model cards from Markdown to HTML that cannot carry anything foreign."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_LOWEST = 6


def to_html(markdown: str, below: int) -> Markup:
    """Return `markdown` as HTML whose headings stand below level `below`.

    Raw HTML is shown as text. Images become links: the page loads nothing from anywhere.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + below, _LOWEST)}"
        for child in token.children or ():
            _keep_web_links(child)
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - markdown-it escapes all text


def _keep_web_links(token: Token) -> None:
    if token.type == "link_open" and not str(token.attrs.get("href", "")).startswith(("https://", "http://", "#")):
        token.attrs = {}
