"""Messages to a Slack channel."""

from http.client import HTTPException
from urllib.error import URLError

from pydantic import SecretStr
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler
from slack_sdk.http_retry.request import HttpRequest
from slack_sdk.http_retry.response import HttpResponse
from slack_sdk.http_retry.state import RetryState

from firstflight.domain.errors import NotificationFailedError
from firstflight.notify.blocks import to_blocks, to_text
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery

_TIMEOUT_SECONDS = 10
_LONGEST_WAIT_SECONDS = 30
_REMEDIES = {
    "invalid_auth": "set a valid FIRSTFLIGHT_SLACK_TOKEN",
    "not_authed": "set a valid FIRSTFLIGHT_SLACK_TOKEN",
    "token_revoked": "set a valid FIRSTFLIGHT_SLACK_TOKEN",
    "account_inactive": "set a valid FIRSTFLIGHT_SLACK_TOKEN",
    "missing_scope": "give the app the scope chat:write",
    "not_in_channel": "invite the app to the channel",
    "channel_not_found": "check FIRSTFLIGHT_SLACK_CHANNEL, and invite the app when the channel is private",
    "is_archived": "set FIRSTFLIGHT_SLACK_CHANNEL to a channel that is not archived",
}


class _ShortRateLimit(RateLimitErrorRetryHandler):
    """Waits as long as Slack asks for, unless that would hold a rollout up."""

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        if response is None or not super()._can_retry(state=state, request=request, response=response, error=error):
            return False
        asked = [
            value for name, values in response.headers.items() if name.lower() == "retry-after" for value in values
        ]
        return all(value.isdecimal() and int(value) <= _LONGEST_WAIT_SECONDS for value in asked)


class SlackNotifier:
    """Posts messages to one channel with the token of a Slack app that may `chat:write`.

    Tried again are only requests that Slack certainly did not take (no connection, or too many
    requests): one call posts at most one message.
    """

    def __init__(self, token: SecretStr, channel: str, base_url: str) -> None:
        """Keep token and channel; nothing is sent yet.

        Raises:
            ValueError: The token holds characters that no header can carry.
        """
        secret = token.get_secret_value().strip()
        if not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            # Found out later, the HTTP library would print it.
            raise ValueError("the Slack token is empty or holds blanks or characters that are not printable ASCII")
        self._token = SecretStr(secret)
        self._channel = channel
        self._base_url = base_url if base_url.endswith("/") else f"{base_url}/"

    def __repr__(self) -> str:
        return f"SlackNotifier(channel={self._channel!r}, base_url={self._base_url!r})"

    def send(self, message: Message) -> Delivery:
        """Post `message` to the channel; the delivery's reason holds Slack's time stamp of it.

        Raises:
            NotificationFailedError: Slack did not answer or did not take the message.
        """
        failure = ""
        receipt = ""
        try:
            receipt = self._post(message)
        except SlackApiError as error:
            failure = _refusal(error)
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            failure = f"{type(error).__name__}: {error}"
        if failure:  # raised out here, so that the error does not carry the request, and with it the token
            said = " ".join(failure.split()).replace(self._token.get_secret_value(), "…")[:500]
            raise NotificationFailedError(
                f"Slack at {self._base_url} did not take {message.kind!r} of {message.rollout} "
                f"for channel {self._channel}: {said}"
            )
        return Delivery(delivered=True, where=f"Slack channel {self._channel}", reason=f"message {receipt}")

    def _post(self, message: Message) -> str:
        client = WebClient(
            token=self._token.get_secret_value(),
            base_url=self._base_url,
            timeout=_TIMEOUT_SECONDS,
            retry_handlers=[
                # urllib wraps in URLError what fails before the request is out; anything later may have been posted.
                ConnectionErrorRetryHandler(max_retry_count=2, error_types=[URLError]),
                _ShortRateLimit(max_retry_count=2),
            ],
        )
        response = client.chat_postMessage(
            channel=self._channel,
            text=to_text(message),
            blocks=to_blocks(message),
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(response.get("ts", "without a time stamp"))


def _refusal(error: SlackApiError) -> str:
    code = str(error.response.get("error") or f"HTTP {error.response.status_code}")
    remedy = _REMEDIES.get(code)
    return f"{code}; {remedy}" if remedy else code
