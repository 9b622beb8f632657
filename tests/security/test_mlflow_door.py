"""Who may ask the stack's real MLflow server: no page of another origin, and nobody by another name of the machine."""

import httpx
import pytest

from firstflight.settings import Settings

pytestmark = pytest.mark.local

SEARCH = "/api/2.0/mlflow/registered-models/search"
CREATE = "/api/2.0/mlflow/registered-models/create"


@pytest.mark.parametrize("host", ["elsewhere.example", "192.168.0.7:5000", "10.0.0.1"])
def test_another_name_is_refused(stack: Settings, host: str) -> None:
    """A page whose own name was made to mean this machine reads nothing; by its own address the server answers."""
    refused = httpx.get(stack.mlflow_uri + SEARCH, headers={"Host": host}, trust_env=False)
    assert 403 == refused.status_code, refused.text
    assert 200 == httpx.get(stack.mlflow_uri + SEARCH, trust_env=False).status_code


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://192.168.0.7", "null"])
def test_a_page_of_another_origin_changes_nothing(stack: Settings, origin: str) -> None:
    """Neither by a script nor by a form, which asks nobody first."""
    for content in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        headers = {"Origin": origin, "Content-Type": content}
        sent = httpx.post(stack.mlflow_uri + CREATE, content='{"name": "foreign"}', headers=headers, trust_env=False)
        assert 403 == sent.status_code, sent.text
    found = httpx.get(stack.mlflow_uri + SEARCH, trust_env=False).json()
    assert "foreign" not in {model["name"] for model in found.get("registered_models", ())}
