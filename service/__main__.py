"""The command line: `python -m service` serves; a word behind it names another command.

    python -m service             serve until SIGTERM or SIGINT
    python -m service migrate     bring the database up to date, and end
    python -m service send …      sign messages and send them to a running service (send --help)
    python -m service import …    store messages from files (import --help)
    python -m service export …    write messages to a file or standard output (export --help)

The environment variables are those of the README. Exit code 2: a value makes no sense; 1: the
service could not start.
"""

import asyncio
import os
import sys
from collections.abc import Callable

from service.errors import StartError
from service.settings import Settings

USAGE_EXIT_CODE = 2
INTERRUPTED_EXIT_CODE = 130
"""As shells give it: 128 and the number of SIGINT."""


def main() -> int:
    """Run the command that `sys.argv` names; gives the exit code."""
    command, arguments = (sys.argv[1:2] or ["serve"])[0], sys.argv[2:]
    if command in PROGRAMS:
        return PROGRAMS[command](arguments)
    if command == "help" or {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    if arguments or command not in ("serve", "migrate"):
        print(f"unknown arguments: {' '.join(sys.argv[1:])}\n\n{__doc__}", file=sys.stderr)
        return USAGE_EXIT_CODE
    try:
        settings = Settings.from_environment(os.environ)
        if command == "migrate":
            asyncio.run(_migrate(settings))
        else:
            return _serve(settings)
    except StartError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:  # before the service is there to stop gracefully
        return INTERRUPTED_EXIT_CODE
    return 0


# Each command is imported when it is asked for: the service itself needs neither an HTTP client
# nor a progress bar.


def _send(arguments: list[str]) -> int:
    from service.commands.send.command import main as send

    return send(arguments)


def _import(arguments: list[str]) -> int:
    from service.commands.import_.command import main as import_

    return import_(arguments)


def _export(arguments: list[str]) -> int:
    from service.commands.export.command import main as export

    return export(arguments)


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "send": _send,
    "import": _import,
    "export": _export,
}
"""What takes arguments, and has a --help that says so."""


def _serve(settings: Settings) -> int:
    if settings.workers > 1:
        from service.workers import Supervisor

        return Supervisor(settings).run()
    from service.http.server import serve

    serve(settings)
    return 0


async def _migrate(settings: Settings) -> None:
    from service.store.factory import make_store

    store = make_store(settings)
    await store.open()
    await store.close()


if __name__ == "__main__":
    sys.exit(main())
