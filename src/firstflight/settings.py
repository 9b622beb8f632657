"""WHERE things are: addresses, folders, secrets. Read at the rim, never kept in a plan.

Values come from environment variables (`FIRSTFLIGHT_…`), then `deployments/environments/<environment>.toml`
below the project, then the defaults here. Inside the local stack they are set for every process.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource


class Ports(BaseSettings):
    """Loopback ports of the local stack; model servers take `servers` and the ports above it."""

    model_config = SettingsConfigDict(env_prefix="FIRSTFLIGHT_PORT_", extra="forbid")

    prefect: int = 4200
    mlflow: int = 5000
    gateway: int = 4800
    gateway_mirror: int = 4802
    gateway_admin: int = 4801
    servers: int = Field(default=4820, description="First of a block of 3 ports (REST, gRPC, metrics) for each of 16 servers.")


class Settings(BaseSettings):
    """Everything that differs from place to place."""

    model_config = SettingsConfigDict(env_prefix="FIRSTFLIGHT_", extra="ignore")

    home: Path = Field(default=Path(".firstflight"), description="Folder of all local state, private to the user.")
    project: Path = Field(default=Path(), description="Checkout that holds prefect.yaml, flows/ and tasks/.")
    environment: Literal["local", "staging", "production"] = "local"
    backend: Literal["local", "memory"] = "local"
    database_url: SecretStr | None = Field(
        default=None, description="postgresql:// of a server of one's own; none: the stack runs one in `home`."
    )
    serving_python: Path | None = Field(default=None, description="Interpreter of the serving environment.")
    gateway_profile: Literal["safe", "seldon"] = Field(
        default="safe", description="safe: a dying candidate's requests fail over to stable; seldon: they fail as in a cluster."
    )
    data_folder: Path | None = Field(default=None, description="Folder that holds data files of one's own.")
    fear_index_file: Path | None = Field(default=None, description="CSV with columns date, close; none: realised volatility.")
    slack_token: SecretStr | None = None
    slack_channel: str | None = None
    slack_url: str = "https://slack.com/api/"
    ports: Ports = Field(default_factory=Ports)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over environment variables, those over the environment's TOML file."""
        project = Path(os.environ.get("FIRSTFLIGHT_PROJECT", "."))
        environment = os.environ.get("FIRSTFLIGHT_ENVIRONMENT", "local")
        toml = project / "deployments" / "environments" / f"{environment}.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml)

    @property
    def prefect_api(self) -> str:
        """Address of Prefect's API."""
        return os.environ.get("PREFECT_API_URL", f"http://127.0.0.1:{self.ports.prefect}/api")

    @property
    def mlflow_uri(self) -> str:
        """Address of the MLflow server."""
        return os.environ.get("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{self.ports.mlflow}")

    @property
    def gateway_url(self) -> str:
        """Address where clients ask for predictions."""
        return f"http://127.0.0.1:{self.ports.gateway}"
