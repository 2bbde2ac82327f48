"""The command line of `python -m service import`."""

import argparse
import os
import stat
from pathlib import Path

from service.commands.arguments import Parser
from service.commands.import_.sources import STANDARD_INPUT

DESCRIPTION = "Store messages and events from files: one JSON object a line (NDJSON)."
EPILOG = """\
A line holds a message as `data` of GET /messages shows it, or as a webhook brings it, and must pass
the same validation; only `from` and `to` may be what messaging providers send as well: short codes
and names. A message_id that is there already changes nothing. Or it holds an event, as
`export --events` writes it: its body is stored byte for byte, and an id that its source has already
changes nothing. A file may hold both. The database is that of DATABASE_URL or DATABASE_URL_FILE; no
message and no body may be longer than MAX_BODY_BYTES.

It can be interrupted (Ctrl-C, SIGTERM) and run again: what is stored then counts as duplicate. It
works beside a running service, and leaves the database free for it more than half of the time.

exit code: 0 when every line is stored, 1 when some were rejected or a file could not be read to its
end, 2 for bad arguments, a database that can't be used or a rejects file that can't be written, 130
after Ctrl-C and 143 after SIGTERM, which store the messages at hand and still print the counts; a
second one ends it at once.
"""


class Options(argparse.Namespace):
    """What the command line asks for."""

    files: list[str]
    """Paths, and at most one - for standard input."""
    rejects: Path | None


def parse(arguments: list[str]) -> Options:
    """The options, whose files are there. Raises SystemExit(2) after one line that says why not."""
    parser = Parser("import", DESCRIPTION, EPILOG)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="what to import; .gz is gzip, .zst Zstandard; -: standard input, not compressed",
    )
    parser.add_argument(
        "--rejects",
        type=Path,
        metavar="FILE",
        help="keep the rejected lines here, as they were, to be mended and imported; what the file"
        " held before is gone",
    )
    options = Options(**vars(parser.parse_args(arguments)))
    if options.files.count(STANDARD_INPUT) > 1:
        parser.error("- (standard input) can be read only once")
    for file in options.files:
        if (trouble := _trouble_with(file, options.rejects)) is not None:
            parser.error(trouble)
    return options


def _trouble_with(file: str, rejects: Path | None) -> str | None:
    """Why `file` can't be imported, if so; said before anything is stored, or overwritten."""
    if file == STANDARD_INPUT:
        return None
    try:
        if stat.S_ISDIR(Path(file).stat().st_mode):
            return f"cannot read {file}: it is a folder"
        if rejects is not None and rejects.exists() and rejects.samefile(file):
            return f"--rejects must be another file than {file}, which it would overwrite"
    except OSError as error:
        return f"cannot read {file}: {error.strerror}"
    except ValueError:
        return f"cannot read {file}: it is not a path"
    return None if os.access(file, os.R_OK) else f"cannot read {file}: permission denied"
