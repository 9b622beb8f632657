"""What the site shows beside the pages of docs/: those at the root of the repository, README as its first."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "LICENSE")} | {
    "README.md": "index.md"
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them; their links into docs/ lose that folder, which is the site's own root."""
    for name, page in PAGES.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=re.sub(r"(\]\()docs/", r"\1", text)))
    return files
