"""The collector of the local stack, which also keeps the gateway's log within bounds."""

from firstflight.observation import collector
from firstflight.observation.rotation import Rotation
from firstflight.serving.local.envoy.bootstrap import access_log
from firstflight.serving.local.gateway import Gateway
from firstflight.settings import Settings


def main() -> None:
    """Collect until told to end."""
    gateway = Gateway(Settings())
    collector.main(Rotation(access_log(gateway.folder), gateway.reopen_logs).tend)


if __name__ == "__main__":
    main()
