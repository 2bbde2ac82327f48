"""The command line of `python -m service send`."""

import argparse
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from service.commands.arguments import Parser
from service.commands.send.environment import read_address, read_secret, read_source
from service.commands.send.targets import Events, Messages, Target
from service.errors import SettingsError
from service.source_settings import MESSAGES_SOURCE
from service.sources.scheme import SCHEME_NAME, load_schemes

DESCRIPTION = """\
Sign messages, or the events of a provider, and send them to a running service; count and time the
answers."""
EPILOG = """\
events: --scheme NAME signs as that provider does, and sends to /webhook/NAME. The body is an
example of the provider, with a new id for each event. --source NAME is for a source that has
another name than its scheme. A body of your own (--body, --file) is sent as it is: if it holds the
id, the second delivery of it is a duplicate.

{examples}

exit code: 0 if every answer was 200, 1 if one was not, 2 for bad arguments, 130 after Ctrl-C.
Ctrl-C stops the sending, waits for answers to the requests in flight, and prints the counts.
No message is sent again: an answer 503 is counted, and its Retry-After is ignored.

latency: with --rate, each message has a time at which it is due, and its latency runs from that
time, even if every connection was busy then. So a stall of the service counts for every message
that had to wait. Without --rate, a connection sends its next message after the last answer, and
latency runs from the send. That measures the throughput, and shows fewer stalls than there are.
The percentiles cover all answers, of every status. They are right to 0.8 %.
"""

COUNT_DEFAULT = 100


class Options(argparse.Namespace):
    """What the command line asks for."""

    url: str
    """The whole address."""
    target: Target
    body: bytes | None
    """What every request holds, instead of what is made up."""
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
    if given.print_curl and given.file is not None:
        parser.error("--print-curl prints one request: it does not go with --file")
    name = given.source or given.scheme
    if given.count is None and given.file is None:
        given.count = 1 if given.body or name else COUNT_DEFAULT
    given.count = given.count or None
    try:
        given.url = _with_path(
            given.url or read_address(), f"/webhook/{name}" if name else "/webhook"
        )
        given.body = None if given.body is None else _read(given.body)
        given.target = _messages(given) if name is None else _events(given, name)
    except SettingsError as error:
        parser.error(str(error))
    return Options(**vars(given))


def _messages(given: argparse.Namespace) -> Messages:
    """Raises SettingsError."""
    for option in ("type", "id"):
        if getattr(given, option) is not None:
            raise SettingsError(f"--{option} goes with --scheme or --source")
    return Messages(read_secret(given.secret))


def _events(given: argparse.Namespace, name: str) -> Events:
    """Raises SettingsError."""
    source, scheme = read_source(name, given.scheme, given.secret)
    has_own_body = given.body is not None or given.file is not None
    for option, value, templates, marks in (
        ("id", given.id, scheme.id_parts, ("$id", "$number")),
        ("type", given.type, scheme.type_parts, ("$type",)),
    ):
        is_in_header = any(part.kind == "header" for parts in templates for part in parts)
        is_in_body = not has_own_body and any(mark in scheme.example.body for mark in marks)
        if value is not None and not (is_in_header or is_in_body):
            raise SettingsError(
                f"--{option} changes nothing: the {option} of {scheme.name} is in the body"
            )
    events = Events(scheme, source.secret, source.url or given.url, given.id, given.type)
    try:
        events.sign(events.make(given.body))
    except ValueError as error:
        raise SettingsError(f"cannot sign as {scheme.name} does: that takes {error}") from None
    return events


def _read(path: str) -> bytes:
    """What the file or standard input holds. Raises SettingsError."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None


def _parser() -> Parser:
    parser = Parser("send", DESCRIPTION, EPILOG.format(examples=_examples()))
    _add_target(parser)
    _add_events(parser)
    _add_load(parser)
    _add_messages(parser)
    return parser


def _examples() -> str:
    """A command for each shipped scheme."""
    lines = []
    for scheme in load_schemes(None).values():
        words = ["send", "--scheme", scheme.name]
        words += ["--type", scheme.example.type] if scheme.example.type else []
        words += ["--secret", "PRIVATE-KEY"] if scheme.is_asymmetric else []
        lines.append(f"  {shlex.join(words)}")
    return "\n".join(lines)


def _add_target(parser: Parser) -> None:
    parser.add_argument(
        "--url",
        type=_url,
        help="the address; one without a path gets /webhook, or /webhook/NAME"
        " (default: that of HOST and PORT, or else http://127.0.0.1:8000)",
    )
    parser.add_argument(
        "--secret",
        help="the secret to sign with (default: WEBHOOK_SECRET, or with --scheme or --source"
        " SOURCE_NAME_SECRET, or the content of the file of the same name with _FILE behind it);"
        " every user of this machine can read this option with `ps`",
    )
    parser.add_argument(
        "--timeout",
        type=_number(float, "above 0, and at most 86400", lambda number: 0 < number <= 86_400),
        default=30.0,
        metavar="SECONDS",
        help="how long to wait for an answer (default: 30)",
    )


def _add_events(parser: Parser) -> None:
    parser.add_argument(
        "--scheme",
        metavar="NAME",
        help="sign events as this provider does; `python -m service sources` lists the schemes"
        " (default: SOURCE_NAME_SCHEME, or the source's name)",
    )
    parser.add_argument(
        "--source",
        type=_source,
        metavar="NAME",
        help="send events to /webhook/NAME (default: the scheme's name)",
    )
    parser.add_argument(
        "--type", type=_name, help="the type of the events (default: that of the example)"
    )
    parser.add_argument(
        "--id", type=_name, help="the id of every event (default: a new one for each)"
    )


def _add_load(parser: Parser) -> None:
    parser.add_argument(
        "--count",
        type=_number(int, "a whole number, 0 or more", lambda number: number >= 0),
        metavar="N",
        help="how many to send, repeats included; 0: until Ctrl-C, or to the end of the --file"
        f" (default: {COUNT_DEFAULT}; 1 with --scheme, --source or --body; 0 with --file)",
    )
    parser.add_argument(
        "--rate",
        type=_number(float, "0, or 0.001 or more", lambda number: number == 0 or number >= 0.001),
        default=0.0,
        metavar="N",
        help="how many to send a second; 0: as many as the service answers (default: 0)",
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
        help="send the lines of this file unchanged, one request each; -: standard input"
        " (default: made-up ones)",
    )
    source.add_argument(
        "--body",
        metavar="FILE",
        help="send all of this file unchanged, in every request; -: standard input",
    )
    parser.add_argument(
        "--print-curl",
        action="store_true",
        help="send nothing; print a curl command that sends one signed request",
    )


def _source(text: str) -> str:
    if not re.fullmatch(SCHEME_NAME, text) or text == MESSAGES_SOURCE:
        raise argparse.ArgumentTypeError(
            f"must be lower-case letters and digits, with single hyphens, not {text!r}"
        )
    return text


def _name(text: str) -> str:
    """What a header can hold, and JSON without an escape."""
    if not re.fullmatch(r"[ !#-\[\]-~]+", text) or text != text.strip():
        raise argparse.ArgumentTypeError(
            f'must be ASCII without ", \\ and outer spaces, not {text!r}'
        )
    return text


def _url(text: str) -> str:
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
    return text


def _with_path(address: str, path: str) -> str:
    url = urlsplit(address)
    return url._replace(path=path).geturl() if url.path in ("", "/") else address


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
