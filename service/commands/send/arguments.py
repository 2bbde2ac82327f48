"""The command line of `python -m service send`."""

import argparse
import os
from collections.abc import Callable
from urllib.parse import urlsplit

from service.commands.arguments import Parser
from service.errors import SettingsError
from service.settings import Settings

DESCRIPTION = "Sign messages and send them to a running service; count and time the answers."
EPILOG = """\
exit code: 0 if every answer was 200, 1 if one was not, 2 for bad arguments, 130 after Ctrl-C.
Ctrl-C stops the sending, waits for answers to the requests in flight, and prints the counts.
No message is sent again: an answer 503 is counted, and its Retry-After is ignored.

latency: with --rate, each message has a time at which it is due, and its latency runs from that
time, even if every connection was busy then. So a stall of the service counts for every message
that had to wait. Without --rate, a connection sends its next message after the last answer, and
latency runs from the send. That measures the throughput, and shows fewer stalls than there are.
The percentiles cover all answers, of every status. They are right to 0.8 %.
"""

SECRET_VARIABLES = ("WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE")
ADDRESS_VARIABLES = ("HOST", "PORT")
LOOPBACKS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here
"""A service that listens on all addresses is reached at these."""

COUNT_DEFAULT = 100


class Options(argparse.Namespace):
    """What the command line asks for."""

    url: str
    secret: bytes
    count: int | None
    """None: as many as there are."""
    rate: float
    """Deliveries a second; 0: as fast as possible."""
    connections: int
    duplicates: float
    file: str | None
    """A path, or - for standard input."""
    timeout: float
    print_curl: bool


def parse(arguments: list[str]) -> Options:
    """The options, complete. Raises SystemExit(2) after one line that names the mistake."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.count is None and given.file is None:
        given.count = COUNT_DEFAULT
    given.count = given.count or None
    try:
        given.url = given.url or _url_of_environment()
        given.secret = _secret(given.secret)
    except SettingsError as error:
        parser.error(str(error))
    return Options(**vars(given))


def _url_of_environment() -> str:
    """The address of a service that this environment starts. Raises SettingsError."""
    settings = Settings.from_environment(
        {name: os.environ.get(name, "") for name in ADDRESS_VARIABLES}
    )
    if settings.port == 0:
        raise SettingsError("PORT is 0, so the system chose a port: give --url")
    host = LOOPBACKS.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/webhook"


def _secret(option: str | None) -> bytes:
    """The secret from the option, or else from the environment, by the rules of the service.

    Raises SettingsError.
    """
    environment = {name: os.environ.get(name, "") for name in SECRET_VARIABLES}
    if option is not None:
        environment = {"WEBHOOK_SECRET": option}
    secret = Settings.from_environment(environment).webhook_secret
    if secret is None:
        raise SettingsError("no secret to sign with: set WEBHOOK_SECRET, or WEBHOOK_SECRET_FILE")
    return secret


def _parser() -> Parser:
    parser = Parser("send", DESCRIPTION, EPILOG)
    _add_target(parser)
    _add_load(parser)
    _add_messages(parser)
    return parser


def _add_target(parser: Parser) -> None:
    parser.add_argument(
        "--url",
        type=_url,
        help="the address; one without a path gets /webhook"
        " (default: that of HOST and PORT, or else http://127.0.0.1:8000)",
    )
    parser.add_argument(
        "--secret",
        help="the secret to sign with (default: WEBHOOK_SECRET, or the content of the file"
        " WEBHOOK_SECRET_FILE); every user of this machine can read this option with `ps`",
    )
    parser.add_argument(
        "--timeout",
        type=_number(float, "above 0, and at most 86400", lambda number: 0 < number <= 86_400),
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for an answer (default: 30)",
    )


def _add_load(parser: Parser) -> None:
    parser.add_argument(
        "--count",
        type=_number(int, "a whole number, 0 or more", lambda number: number >= 0),
        metavar="N",
        help="how many messages to send, repeats included; 0: until Ctrl-C, or to the end of the"
        f" --file (default: {COUNT_DEFAULT}; with --file, 0)",
    )
    parser.add_argument(
        "--rate",
        type=_number(float, "0, or 0.001 or more", lambda number: number == 0 or number >= 0.001),
        default=0.0,
        metavar="N",
        help="messages a second; 0: as many as the service answers (default: 0)",
    )
    parser.add_argument(
        "--connections",
        type=_number(int, "a whole number from 1 to 10000", lambda number: 1 <= number <= 10_000),
        default=16,
        metavar="N",
        help="how many requests are in flight at once, at most (default: 16)",
    )


def _add_messages(parser: Parser) -> None:
    parser.add_argument(
        "--duplicates",
        type=_number(float, "a percentage from 0 to below 100", lambda number: 0 <= number < 100),
        default=0.0,
        metavar="PERCENT",
        help="the share of deliveries that repeat an earlier one, byte for byte (default: 0)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--file",
        metavar="MESSAGES.NDJSON",
        help="send the lines of this file unchanged, one message each; -: standard input"
        " (default: made-up messages)",
    )
    source.add_argument(
        "--print-curl",
        action="store_true",
        help="send nothing; print a curl command that sends one signed message",
    )


def _url(text: str) -> str:
    """The address of the webhook; an address without a path gets /webhook."""
    refused = argparse.ArgumentTypeError(f"must be http://host:port or https://host, not {text!r}")
    try:
        url = urlsplit(text)
        port = url.port
        (url.hostname or "").encode("idna")  # the resolver would refuse it later
    except ValueError:
        raise refused from None
    has_space = any(character.isspace() for character in text)
    if url.scheme not in ("http", "https") or not url.hostname or port == 0 or has_space:
        raise refused
    return url._replace(path="/webhook").geturl() if url.path in ("", "/") else text


def _number(
    kind: type[int] | type[float], takes: str, allows: Callable[[float], bool]
) -> Callable[[str], float]:
    """A parser of numbers for argparse; its refusal says which numbers are allowed."""

    def parse_number(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = -1
        if not allows(number) or number == float("inf"):
            raise argparse.ArgumentTypeError(f"must be {takes}, not {text!r}")
        return number

    return parse_number
