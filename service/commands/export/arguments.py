"""The command line of `python -m service export`."""

import argparse
from pathlib import Path, PurePath

from service.api.messages.walk import CSV, EXCEL, FORMATS, NDJSON, Format
from service.api.parameters import FILTERS, read_filter
from service.commands.arguments import Parser
from service.errors import InvalidParameter
from service.store.interface import Filter

STANDARD_OUTPUT = "-"

DESCRIPTION = "Write all messages, or those that a filter chooses, oldest first."
EPILOG = """\
The database is that of DATABASE_URL or DATABASE_URL_FILE; the service may be running. The export
never writes to it, and refuses one of another version. It walks by cursor, not in one snapshot:
each message that was there when it began comes exactly once, and of those that arrive meanwhile,
those whose ts lies ahead of it. Where the index of an SQLite file is missing or far behind, as
beside a copy, the export makes one of its own in TMPDIR first.

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
    chosen: Filter


def parse(arguments: list[str]) -> Options:
    """The options. Raises SystemExit(2) after one line that says what is wrong."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    texts = {name: given[name] for name in FILTERS if given[name] is not None}
    try:
        chosen = read_filter(texts)
    except InvalidParameter as error:
        parser.error(f"--{error}".replace("--message_id", "--message-id"))
    output = given["output"]
    if output != STANDARD_OUTPUT and Path(output).is_dir():
        parser.error(f"--output must be a file: {output} is a folder")
    form = FORMATS[given["format"]] if given["format"] else _format_of(output)
    if given["excel"]:
        if form is not CSV:
            parser.error("--excel goes with --format csv")
        form = EXCEL
    return Options(form=form, output=output, chosen=chosen)


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
    parser.add_argument("--message-id", metavar="ID", help="only this message")
    parser.add_argument("--from", metavar="NUMBER", help="only what this number sent")
    parser.add_argument("--to", metavar="NUMBER", help="only what was sent to this number")
    parser.add_argument(
        "--since",
        metavar="TS",
        help="only ts >= this: 2026-11-23T12:00:00Z, or with an offset, as +09:00",
    )
    parser.add_argument("--until", metavar="TS", help="only ts < this")
    parser.add_argument(
        "--q", metavar="TEXT", help="only where this is part of the text, whatever the case"
    )
    return parser


def _format_of(output: str) -> Format:
    return CSV if ".csv" in PurePath(output.lower()).suffixes[-2:] else NDJSON
