"""Loads `sql/<dialect>/`: one query a file, the file's name is the field's name here."""

from pathlib import Path

import msgspec

from service.errors import DatabaseError

_PACKAGE = Path(__file__).parent.parent


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """Every query of the service, as the text of its file."""

    begin_read: str
    begin_write: str
    count_messages: str
    count_messages_from: str
    count_messages_from_to: str
    count_messages_of_sender: str
    count_messages_to: str
    create_migrations: str
    find_messages: str
    insert_messages: str
    list_migrations: str
    page_messages: str
    page_messages_from: str
    page_messages_from_to: str
    page_messages_to: str
    read_connection: str
    read_totals: str
    record_migration: str
    top_senders: str
    write_probe: str


def sql_folder(dialect: str) -> Path:
    """Where a dialect's SQL is: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "sql" / dialect
    return installed if installed.is_dir() else _PACKAGE.parent / "sql" / dialect


def load_queries(folder: Path) -> Queries:
    """The queries of `folder`; raises DatabaseError unless its files are just those of Queries."""
    texts = {file.stem: file.read_text("utf-8") for file in folder.glob("*.sql")}
    names = set(Queries.__struct_fields__)
    strange = sorted([f"{name} is missing" for name in names - texts.keys()]) + sorted(
        [f"{name} is not used" for name in texts.keys() - names]
    )
    if strange:
        raise DatabaseError(f"{folder}: {'; '.join(strange)} (see service/store/queries.py)")
    return Queries(**texts)
