"""Settings: where values come from, and the addresses made of them."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from firstflight.settings import Ports, Settings

GIVEN = {
    "home": ("/srv/home", Path("/srv/home")),
    "project": ("/srv/project", Path("/srv/project")),
    "serving_python": ("/opt/python", Path("/opt/python")),
    "data_folder": ("/srv/data", Path("/srv/data")),
    "fear_index_file": ("/srv/vix.csv", Path("/srv/vix.csv")),
    "gateway_profile": ("seldon", "seldon"),
    "answer_seconds": ("2.5", 2.5),
    "namespace": ("models", "models"),
    "operator_namespace": ("operators", "operators"),
    "kube_context": ("kind", "kind"),
    "mesh_url": ("http://mesh/", "http://mesh"),
    "mesh_stats_url": ("http://mesh/stats", "http://mesh/stats"),
    "prometheus_url": ("http://prometheus", "http://prometheus"),
    "artifact_bucket": ("bucket", "bucket"),
    "artifact_remote": ("minio", "minio"),
    "artifact_secret": ("secret", "secret"),
    "model_replicas": ("3", 3),
    "answers_file": ("/srv/answers.jsonl", Path("/srv/answers.jsonl")),
    "slack_token": ("xoxb", SecretStr("xoxb")),
    "slack_channel": ("#releases", "#releases"),
    "slack_url": ("http://slack/", "http://slack/"),
    "page_port": ("4999", 4999),
    "outcomes_host": ("10.0.0.1", "10.0.0.1"),
    "outcomes_token": ("t0ken", SecretStr("t0ken")),
    "outcomes_token_file": ("/run/token", Path("/run/token")),
    "environment": ("staging", "staging"),
    "backend": ("seldon", "seldon"),
    "database_url": ("postgresql://db/any", SecretStr("postgresql://db/any")),
    "work_pool": ("kubernetes", "kubernetes"),
    "separate_training": ("true", True),
    "metrics_host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - a value like any other
    "ledger_key": ("k3y", SecretStr("k3y")),
    "ledger_anchors": ("/mnt/kept.txt", Path("/mnt/kept.txt")),
    "lease_seconds": ("12.5", 12.5),
    "retention_days": ("7", 7),
    "guard_seconds": ("1.5", 1.5),
}
"""By name: what a variable or a file gives, and what is read. The names are an interface: none may go."""


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the person who runs the tests is seen."""
    for name in GIVEN:
        monkeypatch.delenv(f"FIRSTFLIGHT_{name.upper()}", raising=False)


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value has its environment variable, a port one of its own."""
    for name, (text, _) in GIVEN.items():
        monkeypatch.setenv(f"FIRSTFLIGHT_{name.upper()}", text)
    ports = dict(zip(Ports.model_fields, range(9001, 9008), strict=True))
    for name, port in ports.items():
        monkeypatch.setenv(f"FIRSTFLIGHT_PORT_{name.upper()}", str(port))

    assert {name: value for name, (_, value) in GIVEN.items()} | {"ports": Ports(**ports)} == dict(Settings())


def test_every_key_of_the_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value has a key in the environment's TOML file, on one level; whose file it is, a variable says."""
    folder = tmp_path / "deployments" / "environments"
    folder.mkdir(parents=True)
    (folder / "staging.toml").write_text("".join(f'{name} = "{text}"\n' for name, (text, _) in GIVEN.items()))
    monkeypatch.setenv("FIRSTFLIGHT_PROJECT", str(tmp_path))
    monkeypatch.setenv("FIRSTFLIGHT_ENVIRONMENT", "staging")

    wanted = {name: value for name, (_, value) in GIVEN.items()} | {"project": tmp_path}
    assert wanted == Settings().model_dump(exclude={"ports"})


def test_folders_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative home means one below the folder where the command was given."""
    monkeypatch.chdir(tmp_path)

    assert tmp_path / ".firstflight" == Settings().home


def test_serving_python_stands_beside_the_project(tmp_path: Path) -> None:
    """By default the serving environment is the project's own."""
    assert tmp_path / ".venv-serving/bin/python" == Settings(project=tmp_path).serving_python


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable wins over the environment's TOML file, which wins over the default."""
    folder = tmp_path / "deployments" / "environments"
    folder.mkdir(parents=True)
    (folder / "local.toml").write_text('slack_channel = "from-file"\ngateway_profile = "seldon"\n')
    monkeypatch.setenv("FIRSTFLIGHT_PROJECT", str(tmp_path))
    monkeypatch.setenv("FIRSTFLIGHT_SLACK_CHANNEL", "from-variable")

    settings = Settings()

    assert settings.slack_channel == "from-variable"
    assert settings.gateway_profile == "seldon"


def test_the_stacks_own_database_is_a_socket_below_home() -> None:
    """Without a URL the database is reached through a socket, never through a port, by a service as itself."""
    settings = Settings(home=Path("/srv/home"))
    assert "postgresql://mlflow@/mlflow?host=/srv/home/postgres" == settings.database("mlflow")
    assert "postgresql://postgres@/mlflow?host=/srv/home/postgres" == settings.database("mlflow", owner=True)


@pytest.mark.parametrize(
    ("scheme", "wanted"),
    [
        ("postgresql", "postgresql://ada:p%40ss@db:5433/prefect?sslmode=require"),
        ("postgresql+asyncpg", "postgresql+asyncpg://ada:p%40ss@db:5433/prefect?ssl=require"),
    ],
)
def test_a_server_of_ones_own_keeps_its_parts(scheme: str, wanted: str) -> None:
    """User, password, host, port and options stay; the database's name and the driver are set."""
    settings = Settings(database_url="postgresql://ada:p%40ss@db:5433/any?sslmode=require")  # type: ignore[arg-type]  # pydantic wraps it

    assert wanted == settings.database("prefect", scheme)


def test_secrets_are_not_shown() -> None:
    """Printing settings shows neither the password nor the token."""
    settings = Settings(database_url="postgresql://ada:hidden@db/any", slack_token="hidden")  # type: ignore[arg-type]  # noqa: S106  # pydantic wraps them

    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings)


def test_an_unknown_port_is_refused() -> None:
    """A misspelt port is an error, not a silent default."""
    with pytest.raises(ValidationError, match="prefct"):
        Ports(prefct=4200)  # type: ignore[call-arg]  # the misspelling is the test
