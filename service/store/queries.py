"""Loads `sql/<dialect>/`: one query a file, the file's name is the field's name here."""

from pathlib import Path

import msgspec

from service.errors import DatabaseError

_PACKAGE = Path(__file__).parent.parent


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """Every query of the service, as the text of its file."""

    attach: str
    begin_read: str
    begin_slice: str
    begin_write: str
    checkpoint: str
    count_by_from: str
    count_by_scan: str
    count_by_text: str
    count_by_to: str
    count_by_ts: str
    create_migrations: str
    create_slice: str
    empty_slice: str
    estimate_scan: str
    estimate_text: str
    fill_slice: str
    find_messages: str
    index_by_from: str
    index_by_text: str
    index_by_to: str
    index_by_ts: str
    index_recipients: str
    index_senders: str
    index_totals: str
    insert_indexed: str
    insert_messages: str
    list_index_tables: str
    list_migrations: str
    measure_slice: str
    page_by_from: str
    page_by_scan: str
    page_by_text: str
    page_by_to: str
    page_by_ts: str
    read_connection: str
    read_indexed: str
    read_last_seq: str
    read_message_id: str
    read_totals: str
    record_indexed: str
    record_migration: str
    top_senders: str
    total_of_recipient: str
    total_of_sender: str
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
