"""WHERE things are: addresses, folders, secrets. Read at the rim, never kept in a plan.

Values come from environment variables (`FIRSTFLIGHT_…`), then `deployments/environments/<environment>.toml`
below the project, then the defaults here. Inside the local stack they are set for every process.

`Settings` has three groups, for whoever needs no more than one: `Local`, `Cluster` and `People`. It inherits them,
so that a value has one name wherever it is written: `mesh_url`, FIRSTFLIGHT_MESH_URL, and `mesh_url` in the TOML file.
"""

import functools
import os
import ssl
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from firstflight.domain.errors import InvalidDataError
from firstflight.supervision.sockets import socket_folder

Database = Literal["prefect", "mlflow", "firstflight"]
Absolute = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A path as seen from the folder where the command was given: processes of the stack have other ones."""


@functools.cache
def trusted() -> ssl.SSLContext:
    """Return whom HTTPS trusts here, as httpx finds it; to read that anew takes longer than any question."""
    import httpx  # noqa: PLC0415 - who asks nothing over HTTP is spared it

    return httpx.create_ssl_context()


class Ports(BaseSettings):
    """Loopback ports of the local stack; model servers take `servers` and the ports above it."""

    model_config = SettingsConfigDict(env_prefix="FIRSTFLIGHT_PORT_", extra="forbid")

    prefect: int = Field(default=4200, description="Prefect's page and API.")
    mlflow: int = Field(default=5000, description="MLflow's page and API.")
    gateway: int = Field(default=4800, description="Where clients ask for predictions.")
    outcomes: int = Field(default=4810, description="Where truths are posted.")
    exporter: int = Field(default=4811, description="Where Prometheus is told of rollouts, predictions and truths.")
    guard: int = Field(default=4812, description="Where the guard tells Prometheus of its rounds.")
    servers: int = Field(
        default=4820, description="First of a block of 3 ports (REST, gRPC, metrics) for each of 16 servers."
    )


class _Place(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FIRSTFLIGHT_", extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # pydantic-settings calls by these names
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over environment variables, those over the environment's TOML file."""
        project = Path(os.environ.get("FIRSTFLIGHT_PROJECT", "."))
        environment = os.environ.get("FIRSTFLIGHT_ENVIRONMENT", "local")
        toml = project / "deployments" / "environments" / f"{environment}.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml)


class Local(_Place):
    """Folders, programs and ports of the machine this runs on."""

    home: Absolute = Field(default=Path(".firstflight"), description="Folder of all local state, private to the user.")
    project: Absolute = Field(default=Path(), description="Checkout that holds prefect.yaml, flows/ and tasks/.")
    serving_python: Absolute = Field(
        default_factory=lambda known: known["project"] / ".venv-serving" / "bin" / "python",
        description="Interpreter of the serving environment; by default that of .venv-serving below the project.",
    )
    data_folder: Absolute | None = Field(default=None, description="Folder that holds data files of one's own.")
    fear_index_file: Absolute | None = Field(
        default=None, description="CSV with columns date, close; none: realised volatility."
    )
    gateway_profile: Literal["safe", "seldon"] = Field(
        default="safe",
        description="safe: a dying candidate's requests fail over to stable; seldon: they fail as in a cluster.",
    )
    answer_seconds: float = Field(
        default=1.0,
        ge=0.1,
        le=600,
        description="Longest time a model may take to answer; in profile safe the stable model is then asked, once.",
    )
    outcomes_host: str = Field(
        default="127.0.0.1",
        description="Address on which truths are taken; any but loopback asks for a token.",
    )
    outcomes_token: SecretStr | None = Field(
        default=None, description="What whoever posts truths shows as `Authorization: Bearer …`."
    )
    outcomes_token_file: Absolute | None = Field(default=None, description="A file that holds it, instead.")
    ports: Ports = Field(default_factory=Ports)
    page_port: int = Field(default=4813, description="Where `firstflight open` shows rollouts, while it runs.")

    @property
    def ledger_key_file(self) -> Path:
        """File that holds the key by which the local stack's ledger is signed; its first use makes it."""
        return self.home / "ledger-key"

    @property
    def outcomes_secret(self) -> SecretStr | None:
        """What is asked of whoever posts truths, if anything."""
        if self.outcomes_token_file is not None:
            return SecretStr(self.outcomes_token_file.read_text(encoding="utf-8").strip())
        return self.outcomes_token

    @property
    def prefect_password_file(self) -> Path:
        """File that holds what the local stack's Prefect asks of its clients; `firstflight up` makes it."""
        return self.home / "prefect-password"

    @property
    def supervisor_folder(self) -> Path:
        """Folder of the supervisor that keeps the local stack's processes alive."""
        return self.home / "supervisor"

    def data_file(self, name: str | None) -> Path | None:
        """Return the file or folder `name` of the configured data folder; None for None, the packaged data.

        A plan comes from a person's form, so it reaches nothing outside that folder.

        Raises:
            InvalidDataError: No data folder is configured, or `name` leads out of it.
        """
        if name is None:
            return None
        if self.data_folder is None:
            raise InvalidDataError(
                name, ("no data folder is configured; set FIRSTFLIGHT_DATA_FOLDER to the one it is in",)
            )
        path = (self.data_folder / name).resolve()
        if not path.is_relative_to(self.data_folder.resolve()):
            raise InvalidDataError(name, (f"lies outside the data folder {self.data_folder}",))
        return path


class Cluster(_Place):
    """Seldon on Kubernetes, and what stands around it there."""

    namespace: str = Field(default="firstflight", description="Where models and their servers live.")
    operator_namespace: str = Field(
        default="seldon-system", description="Where Seldon's operator and its ServerConfigs live."
    )
    kube_context: str | None = Field(
        default=None, description="From outside a cluster: which of the kubeconfig's contexts; none: its current one."
    )
    mesh_url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = Field(
        default="http://seldon-mesh.firstflight",
        description="Where clients ask for predictions; from outside it, a port-forward.",
    )
    mesh_stats_url: str = Field(
        default="http://mesh-stats.firstflight:9003/stats/prometheus",
        description="What the mesh's Envoys count. Every address of that name is asked, and added up.",
    )
    prometheus_url: str = Field(
        default="http://prometheus-operated.monitoring:9090",
        description="The Prometheus that scrapes the mesh. One process, not several behind one name.",
    )
    artifact_bucket: str = Field(
        default="firstflight", description="Bucket that models are loaded from; AWS_… says where it is."
    )
    artifact_remote: str = Field(default="s3", description="rclone's name of that storage, in the Secret.")
    artifact_secret: str = Field(default="model-storage", description="Secret by which rclone reads that bucket.")
    model_replicas: int = Field(
        default=1, ge=1, description="On how many servers a model is loaded; one of them is enough to begin."
    )
    answers_file: Absolute | None = Field(
        default=None, description="Where a model server writes what it answered, and the collector beside it reads."
    )


class People(_Place):
    """Whom to tell, and as whom."""

    slack_token: SecretStr | None = Field(default=None, description="A bot's; none: nobody is told in Slack.")
    slack_channel: str | None = Field(default=None, description="Where it writes, such as #releases.")
    slack_url: str = Field(default="https://slack.com/api/", description="Slack's API, or a stand-in.")


class Settings(Local, Cluster, People):
    """Everything that differs from place to place."""

    environment: Literal["local", "staging", "production"] = Field(
        default="local", description="Whose TOML file and whose policy are read; shown to people."
    )
    backend: Literal["local", "seldon"] = Field(
        default="local", description="What serves models: this machine's Envoy and MLServer, or Seldon in a cluster."
    )
    database_url: SecretStr | None = Field(
        default=None, description="postgresql:// of a server of one's own; none: the stack runs one in `home`."
    )
    work_pool: Literal["local", "kubernetes"] = Field(
        default="local", description="Where Prefect runs flows: processes on this machine, or jobs in a cluster."
    )
    separate_training: bool = Field(
        default=False,
        description="Train each variant in a run of its own (in a cluster: a job), or side by side in one.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address on which guard and exporter answer Prometheus, whoever reaches it."
    )
    lease_seconds: float = Field(
        default=30.0,
        gt=0,
        description="A rollout whose driver has not been heard of for so long is brought home by the guard.",
    )
    retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="For how many days predictions and truths are kept, and longer while a rollout is judged by them.",
    )
    ledger_key: SecretStr | None = Field(
        default=None, description="Key that signs the ledger's checkpoints; none: on one's own machine `home` has one."
    )
    ledger_anchors: Absolute | None = Field(
        default=None,
        description="File to which signed checkpoints are added: where nobody writes who can change the database.",
    )
    guard_seconds: float = Field(default=3.0, gt=0, description="Time between two rounds of the guard.")

    def policy_file(self, environment: str) -> Path:
        """What `environment` asks of every rollout: TOML, versioned with the project."""
        return self.project / "deployments" / "policies" / f"{environment}.toml"

    @property
    def local_prefect_api(self) -> str:
        """Address of the API of the local stack's Prefect."""
        return f"http://127.0.0.1:{self.ports.prefect}/api"

    @property
    def prefect_api(self) -> str:
        """Address of Prefect's API."""
        return os.environ.get("PREFECT_API_URL", self.local_prefect_api)

    @property
    def prefect_page(self) -> str:
        """Address of Prefect's page as people reach it: in a cluster, another than processes use."""
        return os.environ.get("PREFECT_UI_URL", self.prefect_api.removesuffix("/api"))

    def run_page(self, run: UUID | str) -> str:
        """Address of a run's page in Prefect, of the two that Prefect has the one whose Resume works by mouse."""
        return f"{self.prefect_page.rstrip('/')}/v2/runs/flow-run/{run}"

    @property
    def page(self) -> str:
        """Address at which `firstflight open` shows rollouts, without a path."""
        return f"http://127.0.0.1:{self.page_port}"

    @property
    def prefect_auth(self) -> SecretStr | None:
        """What Prefect's API asks of its clients, `user:password`, if anything.

        The local stack's is told to no other server than the local stack's.
        """
        if found := os.environ.get("PREFECT_API_AUTH_STRING"):
            return SecretStr(found)
        if self.prefect_api == self.local_prefect_api and self.prefect_password_file.exists():
            return SecretStr(self.prefect_password_file.read_text(encoding="utf-8").strip())
        return None

    @property
    def mlflow_uri(self) -> str:
        """Address of the MLflow server."""
        return os.environ.get("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{self.ports.mlflow}")

    @property
    def gateway_url(self) -> str:
        """Address where clients ask for predictions."""
        return self.mesh_url if self.backend == "seldon" else f"http://127.0.0.1:{self.ports.gateway}"

    def database(self, name: Database, scheme: str = "postgresql", *, owner: bool = False) -> str:
        """Return the URL of a database; it may hold a password: never log it, show it or keep it.

        Args:
            name: One of the three databases, in the server of `database_url` or in the stack's own.
            scheme: `postgresql` for psycopg and psql; `postgresql+psycopg`, `postgresql+asyncpg` for SQLAlchemy.
            owner: As whoever may change its tables, instead of as the service that uses them and is called as it is.
                Of `database_url` there is one, for whatever it is given to.
        """
        if self.database_url is None:
            folder = socket_folder((self.home / "postgres").resolve())
            return f"{scheme}://{'postgres' if owner else name}@/{name}?host={quote(str(folder))}"
        server = urlsplit(self.database_url.get_secret_value())
        query = parse_qsl(server.query)
        if scheme.endswith("asyncpg"):  # SQLAlchemy's asyncpg dialect has another word for libpq's sslmode
            query = [("ssl" if key == "sslmode" else key, value) for key, value in query]
        return f"{scheme}://{server.netloc}/{name}?{urlencode(query)}".rstrip("?")
