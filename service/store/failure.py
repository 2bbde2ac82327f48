"""The end of the process after the disk has failed."""

import os
from typing import NoReturn

from service.store.interface import DiskFailed
from service.telemetry.logs import Log

EXIT_CODE = 1


def end_process(error: DiskFailed, log: Log | None = None, exit_code: int = EXIT_CODE) -> NoReturn:
    """Log the reason, or write it to standard error, and exit. Call it in any thread.

    Nothing is closed: SQLite would checkpoint the WAL, which may be the only copy of what was
    stored, and delete it. The next start rewrites the WAL before it trusts it.
    """
    if log is not None:
        log.error("disk_failed", message=str(error))
    if log is None or not log.close():
        os.write(2, f"{error}\n".encode())
    os._exit(exit_code)
