"""Which code a model was trained with."""

import subprocess
from pathlib import Path


def git_commit(project: Path) -> str:
    """Return the commit checked out at `project`, `-dirty` after it when files differ, `unknown` outside a checkout."""
    try:
        found = subprocess.run(
            ["git", "-C", str(project), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
