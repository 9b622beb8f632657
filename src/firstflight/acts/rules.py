"""Which mathematics judge: the digest of their sources, for records to name and for auditors to compare."""

import functools
import hashlib
import platform
from importlib import metadata, resources

_JUDGES = tuple(
    f"firstflight.{package}" for package in ("acts", "analysis", "decision", "decision.weighing", "domain", "rollout")
)
_LIBRARIES = ("numpy", "scipy")


@functools.cache
def rules() -> str:
    """Return the digest of the sources and libraries that turn looks into verdicts: others may say other numbers."""
    versions = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    found = hashlib.sha256("\n".join((platform.python_version(), *versions, "")).encode())
    for package in _JUDGES:
        for file in sorted(resources.files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                found.update(f"{package}/{file.name}\n".encode() + file.read_bytes())
    return f"sha256:{found.hexdigest()}"
