"""What the site shows beside docs/: the pages at the root of the repository, README first, and the reference."""

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # MkDocs runs this file by its path
from docs import reference  # noqa: E402 - found only once the path above is set

PAGES = {name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE")} | {
    "README.md": "index.md"
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them; the root's links into docs/ lose that folder, which is the site's own root."""
    for place, text in reference.pages().items():
        files.append(File.generated(config, place, content=text))
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=re.sub(r"(\]\()docs/", r"\1", text)))
    return files
