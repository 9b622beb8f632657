"""Telling people, and the one switch that says how."""

from firstflight.notify.notifier import Delivery, LogNotifier, Notifier
from firstflight.settings import People

__all__ = ["Delivery", "Notifier", "open_notifier"]


def open_notifier(people: People) -> Notifier:
    """Return Slack when a token and a channel are set, else the log, which says what is missing or wrong."""
    if people.slack_token is None:
        return LogNotifier()
    if not people.slack_channel:
        return LogNotifier("a Slack token but no Slack channel configured")
    from firstflight.notify.slack import SlackNotifier  # noqa: PLC0415 - who has no Slack does not wait for its client

    try:
        return SlackNotifier(people.slack_token, people.slack_channel, people.slack_url)
    except ValueError as error:  # whoever asks may be about to roll back, which a wrong token must not prevent
        return LogNotifier(str(error))
