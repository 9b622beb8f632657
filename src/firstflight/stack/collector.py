"""The collector of the local stack, which also keeps the gateway's log and the tables of requests within bounds."""

from threading import Thread

from firstflight.observation import collector
from firstflight.observation.rotation import Rotation
from firstflight.serving.local.envoy.bootstrap import access_log
from firstflight.serving.local.gateway import Gateway
from firstflight.settings import Settings
from firstflight.stack import retention


def main() -> None:
    """Collect until told to end."""
    settings = Settings()
    gateway = Gateway(settings)
    Thread(target=retention.keep, args=(settings,), name="retention", daemon=True).start()
    collector.main(Rotation(access_log(gateway.folder), gateway.reopen_logs).tend)


if __name__ == "__main__":
    main()
