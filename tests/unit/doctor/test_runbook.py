"""Every finding that is not a pass has its place in the runbook, and the runbook tells of no other."""

import ast
import re
from pathlib import Path

from firstflight.domain.findings import RUNBOOK
from firstflight.serving.seldon.diagnosis.models import _LOAD_FAILURES

ROOT = Path(__file__).parents[3]
MAKERS = {"failed", "warned", "make"}


def ids_in_code() -> set[str]:
    """Return the ids that the code gives to what is not well."""
    found = {kind for _, kind, _, _ in _LOAD_FAILURES}
    for path in (ROOT / "src" / "firstflight").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "firstflight.domain.findings import" in text:
            tree = ast.parse(text)
            for call in ast.walk(tree):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in MAKERS:
                    found |= {str(one.value) for one in _choices(call.args[0]) if isinstance(one, ast.Constant)}
    return found


def _choices(node: ast.expr) -> tuple[ast.expr, ...]:
    return (node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,)


def test_every_id_has_an_anchor() -> None:
    """`docs/runbooks/doctor.md#<id>` exists for each id, and only for those."""
    anchors = re.findall(r'<a id="([a-z-]+)"></a>', (ROOT / RUNBOOK).read_text(encoding="utf-8"))
    assert sorted(set(anchors)) == sorted(anchors)
    assert ids_in_code() == set(anchors)
