"""From a matplotlib figure to SVG that lives inside the page: its fonts, its colours, no ids in common."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from firstflight.report.palette import STAND_IN, variable

_SVG = "{http://www.w3.org/2000/svg}"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_LONGEST = 44
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: small, selectable, set in the page's font
    "svg.hashsalt": "firstflight",  # the same data gives the same file
    "text.parse_math": False,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": STAND_IN["grid"],
    "axes.facecolor": "none",
    "axes.labelcolor": STAND_IN["muted"],
    "axes.labelsize": 11,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": STAND_IN["grid"],
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.6,
    "text.color": STAND_IN["ink"],
    "xtick.color": STAND_IN["muted"],
    "ytick.color": STAND_IN["muted"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
}


def plain(text: str) -> str:
    """Return `text` as a drawing can hold it: of bearable length, without characters that XML has no place for."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def draw(name: str, title: str, size: tuple[int, int], paint: Callable[[Axes], None]) -> Markup:
    """Return what `paint` does to a pair of axes, as an `<svg>` element.

    Args:
        name: Distinguishes this drawing's ids from those of every other in the page.
        title: What the drawing shows, for readers who do not see it.
        size: Width and height in CSS pixels.
        paint: Draws, in colours of `STAND_IN`.
    """
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The browser chooses the font; here text is only measured.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
        paint(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - written a moment ago by matplotlib
    return _inline(root, name, title)


def _inline(root: ET.Element, name: str, title: str) -> Markup:
    _distinguish(root, name)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = None
        if element.tag != "text":
            element.text = None
        style = re.sub(r"font-family:[^;]*;?\s*", "", element.get("style", ""))
        for meaning, colour in STAND_IN.items():
            style = style.replace(colour, variable(meaning))
        if style:
            element.set("style", style)
        if path := element.get("d"):
            element.set("d", " ".join(path.split()))
    for parent in root.iter("defs"):
        for rule in parent.findall("style"):  # it would reach the whole page
            parent.remove(rule)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", title)
    return Markup(ET.tostring(root, encoding="unicode", short_empty_elements=False))  # noqa: S704 - ElementTree escapes


def _distinguish(root: ET.Element, name: str) -> None:
    """Drop ids nobody refers to, and begin the others with `name`."""
    wanted = {element.attrib[_XLINK_HREF][1:] for element in root.iter() if _XLINK_HREF in element.attrib}
    wanted |= {found for element in root.iter() for found in re.findall(r"url\(#(.*?)\)", element.get("clip-path", ""))}
    for element in root.iter():
        if (own := element.attrib.pop("id", None)) in wanted:
            element.set("id", f"{name}-{own}")
        if (target := element.attrib.pop(_XLINK_HREF, None)) is not None:
            element.set("href", f"#{name}-{target[1:]}")
        if clip := element.get("clip-path"):
            element.set("clip-path", clip.replace("url(#", f"url(#{name}-"))
