"""The command line of `python -m service export`."""

import argparse
from pathlib import Path, PurePath

from service.api.events.page import EVENT_FILTERS, read_event_filter
from service.api.messages.walk import CSV, EXCEL, FORMATS, NDJSON, Format
from service.api.parameters import FILTERS, read_filter
from service.commands.arguments import Parser
from service.errors import InvalidParameter
from service.store.interface import EventFilter, Filter

STANDARD_OUTPUT = "-"

DESCRIPTION = "Write all messages or events, or those that a filter chooses, oldest first."
EPILOG = """\
The database is that of DATABASE_URL or DATABASE_URL_FILE; the service may be running. The export
never writes to it, and refuses one of another version. It walks by cursor, not in one snapshot:
each message that was there when it began comes exactly once, and of those that arrive meanwhile,
those whose ts lies ahead of it. Where the index of an SQLite file is missing or far behind, as
beside a copy, the export makes one of its own in TMPDIR first.

--events writes the requests of all sources as they came, and the bodies that POST /webhook refused
and kept: one JSON object a line, as GET /events shows them. The body is the JSON that came; one
that is no JSON, or has a line feed, is {"base64": "..."}. `import` reads both kinds of file.

CSV is written as the messages came: a spreadsheet takes what begins with =, +, - or @ for a
formula. --excel begins the file with a byte order mark, and puts an apostrophe before such cells.

exit code: 0 when all of it is written, and only then; 1 when the database or the output failed, 2
for bad arguments, 130 after Ctrl-C and 143 after SIGTERM. FILE appears, or replaces the one of
that name, when it is whole; standard output can hold a part, and only the exit code tells.
"""


class Options(argparse.Namespace):
    """What the command line asks for."""

    form: Format
    output: str
    """A path, or - for standard output."""
    chosen: Filter | EventFilter


def parse(arguments: list[str]) -> Options:
    """The options. Raises SystemExit(2) after one line that says what is wrong."""
    parser = _parser()
    given = {
        name: value
        for name, value in vars(parser.parse_args(arguments)).items()
        if value not in (None, False)
    }
    output = given["output"]
    if output != STANDARD_OUTPUT and Path(output).is_dir():
        parser.error(f"--output must be a file: {output} is a folder")
    has_events = "events" in given
    form = FORMATS[given["format"]] if "format" in given else _format_of(output)
    if has_events and (form is CSV or "excel" in given):
        parser.error("--events are written as NDJSON: choose a FILE of another name and --format")
    if "excel" in given:
        if form is not CSV:
            parser.error("--excel goes with --format csv")
        form = EXCEL
    filters = EVENT_FILTERS if has_events else FILTERS
    for name in {*FILTERS, *EVENT_FILTERS} & given.keys() - {*filters}:
        verb = "does not go" if has_events else "goes"
        parser.error(f"{_option(name)} {verb} with --events")
    try:
        chosen = (read_event_filter if has_events else read_filter)(
            {name: given[name] for name in filters if name in given}
        )
    except InvalidParameter as error:
        name, _, rule = str(error).partition(" ")
        parser.error(f"{_option(name)} {rule}")
    return Options(form=form, output=output, chosen=chosen)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parser() -> Parser:
    parser = Parser("export", DESCRIPTION, EPILOG)
    parser.add_argument(
        "--format",
        choices=list(FORMATS),
        help="(default: csv where FILE is called so, else ndjson)",
    )
    parser.add_argument(
        "--excel", action="store_true", help="make the CSV safe to open in a spreadsheet"
    )
    parser.add_argument(
        "--output",
        default=STANDARD_OUTPUT,
        metavar="FILE",
        help="where to write; .gz is gzip, .zst Zstandard; -: standard output (default: -)",
    )
    parser.add_argument(
        "--events", action="store_true", help="write events, and not messages; always NDJSON"
    )
    parser.add_argument("--source", metavar="NAME", help="only events of this source")
    parser.add_argument("--type", metavar="TYPE", help="only events of this type")
    parser.add_argument(
        "--problem", metavar="true|false", help="only events with a problem, or only the others"
    )
    parser.add_argument("--message-id", metavar="ID", help="only this message")
    parser.add_argument("--from", metavar="NUMBER", help="only what this number sent")
    parser.add_argument("--to", metavar="NUMBER", help="only what was sent to this number")
    parser.add_argument(
        "--since",
        metavar="TS",
        help="only ts (of an event: received_at) >= this: 2026-11-23T12:00:00Z, or with an offset,"
        " as +09:00",
    )
    parser.add_argument("--until", metavar="TS", help="only ts, or received_at, < this")
    parser.add_argument(
        "--q", metavar="TEXT", help="only where this is part of the text, whatever the case"
    )
    return parser


def _format_of(output: str) -> Format:
    return CSV if ".csv" in PurePath(output.lower()).suffixes[-2:] else NDJSON
