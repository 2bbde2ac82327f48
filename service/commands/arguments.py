"""The parser of arguments that all sub-commands share."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """The parser of one sub-command; a refusal is one line, without the usage."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"python -m service {command}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._command = command

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self._command}: {message}\n")
