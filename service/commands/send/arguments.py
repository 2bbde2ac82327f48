"""The command line of `python -m service send`."""

import argparse
import os
from collections.abc import Callable

import yarl

from service.commands.arguments import Parser
from service.errors import SettingsError
from service.settings import Settings

DESCRIPTION = "Sign messages and send them to a running service; count and time the answers."
EPILOG = """\
exit code: 0 when every answer was 200, 1 when one was not, 2 for bad arguments, 130 after Ctrl-C,
which sends no more, lets what is in flight end, and still prints the counts. Nothing is sent a
second time on its own: a 503 is counted, whatever its Retry-After.

latency: with --rate, each message has a time at which it is due, whether or not earlier ones have
been answered, and its latency runs from that time, also when every connection was still busy: a
service that stalls is charged for all the messages it kept waiting. Without --rate, a connection
sends its next message when the last one is answered, and latency runs from the send: that shows
how much the service can take, and makes its stalls look rarer than they are. The percentiles are
of all answers, whatever their status, and right to 0.8 %.
"""

SECRET_VARIABLES = ("WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE")
COUNT_DEFAULT = 100


class Options(argparse.Namespace):
    """What the command line asks for."""

    url: yarl.URL
    secret: bytes
    count: int | None
    """None is all there are."""
    rate: float
    """Deliveries a second; 0 is as fast as it goes."""
    connections: int
    duplicates: float
    file: str | None
    """A path, or - for standard input."""
    timeout: float
    print_curl: bool


def parse(arguments: list[str]) -> Options:
    """The options, complete. Raises SystemExit(2) after one line that says what is wrong."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.count is None and given.file is None:
        given.count = COUNT_DEFAULT
    given.count = given.count or None
    try:
        given.secret = _secret(given.secret)
    except SettingsError as error:
        parser.error(str(error))
    return Options(**vars(given))


def _secret(option: str | None) -> bytes:
    """The secret of the option or else of the environment, read as the service reads it.

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
        default="http://127.0.0.1:8000/webhook",
        help="where to send; an address without a path gets /webhook (default: %(default)s)",
    )
    parser.add_argument(
        "--secret",
        help="what to sign with (default: WEBHOOK_SECRET, or what the file WEBHOOK_SECRET_FILE"
        " holds); mind that anyone on this machine can see it in `ps` when it is given here",
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
        help="how many to send, repeats included; 0: until Ctrl-C, or the end of the --file"
        f" (default: {COUNT_DEFAULT}; with --file, 0)",
    )
    parser.add_argument(
        "--rate",
        type=_number(float, "0, or 0.001 or more", lambda number: number == 0 or number >= 0.001),
        default=0.0,
        metavar="N",
        help="messages a second; 0: as fast as they are answered (default: 0)",
    )
    parser.add_argument(
        "--connections",
        type=_number(int, "a whole number from 1 to 10000", lambda number: 1 <= number <= 10_000),
        default=16,
        metavar="N",
        help="how many are on their way at once, at most (default: 16)",
    )


def _add_messages(parser: Parser) -> None:
    parser.add_argument(
        "--duplicates",
        type=_number(float, "a percentage from 0 to below 100", lambda number: 0 <= number < 100),
        default=0.0,
        metavar="PERCENT",
        help="how many of the deliveries repeat an earlier one, byte for byte (default: 0)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--file",
        metavar="MESSAGES.NDJSON",
        help="send the lines of this file as they are, one message each; -: standard input"
        " (default: messages made up on the spot)",
    )
    source.add_argument(
        "--print-curl",
        action="store_true",
        help="send nothing; print a curl command that sends one signed message",
    )


def _url(text: str) -> yarl.URL:
    """The webhook's address; of an address without a path, the one that the service has there."""
    try:
        url = yarl.URL(text)
        (url.raw_host or "").encode("idna")  # the resolver does it later, when it is too late
    except ValueError:
        url = yarl.URL()
    if url.scheme not in ("http", "https") or not url.host or not url.port:
        raise argparse.ArgumentTypeError(f"must be http://host:port or https://host, not {text!r}")
    return url / "webhook" if url.path == "/" else url


def _number(
    kind: type[int] | type[float], takes: str, allows: Callable[[float], bool]
) -> Callable[[str], float]:
    """A parser of numbers for argparse, which says what it takes when it refuses one."""

    def parse_number(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = -1
        if not allows(number) or number == float("inf"):
            raise argparse.ArgumentTypeError(f"must be {takes}, not {text!r}")
        return number

    return parse_number
