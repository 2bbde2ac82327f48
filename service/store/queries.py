"""Loads `sql/<dialect>/queries/`: one query a file. The file's name is the field's name here."""

from pathlib import Path
from typing import TypeVar

import msgspec

from service.errors import DatabaseError

Q = TypeVar("Q", bound="Queries")

_PACKAGE = Path(__file__).parent.parent


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """The queries that every database has, each as the text of its file."""

    clear_problems: str
    count_by_from: str
    count_by_scan: str
    count_by_text: str
    count_by_to: str
    count_by_ts: str
    create_migrations: str
    estimate_text: str
    event_of_message: str
    events_by_problem: str
    events_by_problem_desc: str
    events_by_source: str
    events_by_source_desc: str
    events_by_type: str
    events_by_type_desc: str
    find_events: str
    find_messages: str
    find_texts_to_fold: str
    insert_events: str
    insert_messages: str
    link_messages: str
    list_migrations: str
    page_by_from: str
    page_by_from_desc: str
    page_by_id: str
    page_by_text: str
    page_by_to: str
    page_by_to_desc: str
    page_by_ts: str
    page_by_ts_desc: str
    read_connection: str
    read_events: str
    read_folding: str
    read_totals: str
    record_folding: str
    record_migration: str
    total_of_all: str
    total_of_recipient: str
    total_of_sender: str
    total_of_sources: str
    update_folded_texts: str
    write_probe: str


class SqliteQueries(Queries, frozen=True, kw_only=True):
    """All of `sql/sqlite/queries/`: the index is a second file, which follows in batches."""

    attach: str
    begin_batch: str
    begin_read: str
    begin_write: str
    check_integrity: str
    checkpoint: str
    count_events: str
    count_unindexed: str
    create_batch: str
    empty_batch: str
    estimate_ts: str
    fill_batch: str
    find_by_scan: str
    index_by_from: str
    index_by_to: str
    index_by_ts: str
    index_recipients: str
    index_senders: str
    index_texts: str
    index_totals: str
    insert_indexed: str
    measure_batch: str
    measure_sources: str
    page_of_found: str
    quick_check: str
    read_indexed: str
    read_last_event_seq: str
    read_last_seq: str
    read_message_id: str
    record_indexed: str
    top_senders: str


class PostgresQueries(Queries, frozen=True, kw_only=True):
    """All of `sql/postgres/queries/`: counts and the index of texts follow by batches."""

    apply_pending_counts: str
    apply_pending_texts: str
    clear_counts: str
    count_by_pair: str
    count_unindexed: str
    discard_pending_texts: str
    estimate_filter: str
    estimate_scan: str
    forget_texts: str
    insert_migration_lock: str
    lock_migrations: str
    lock_totals: str
    page_by_pair: str
    page_by_pair_desc: str
    page_by_scan: str
    read_server: str
    read_size: str
    recount: str
    recount_sources: str
    wait_for_totals: str


def sql_folder(dialect: str) -> Path:
    """The folder of a dialect's SQL: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "sql" / dialect
    return installed if installed.is_dir() else _PACKAGE.parent / "sql" / dialect


def load_queries(folder: Path, kind: type[Q]) -> Q:
    """The queries of `folder`; raises DatabaseError unless its files are those of `kind`."""
    texts = {file.stem: file.read_text("utf-8") for file in folder.glob("*.sql")}
    names = set(kind.__struct_fields__)
    strange = sorted([f"{name} is missing" for name in names - texts.keys()]) + sorted(
        [f"{name} is not used" for name in texts.keys() - names]
    )
    if strange:
        raise DatabaseError(f"{folder}: {'; '.join(strange)} (see service/store/queries.py)")
    return kind(**texts)
