"""Features that a relative of PostgreSQL lacks, or gives another meaning (docs/portability.md)."""

import re
from typing import NamedTuple

_COCKROACH = "https://www.cockroachlabs.com/docs/stable/"
_CITUS = "https://docs.citusdata.com/en/stable/develop/reference_workarounds.html"
_CITUS_DDL = "https://docs.citusdata.com/en/stable/develop/reference_ddl.html"
_YUGABYTE = "https://docs.yugabyte.com/stable/"
_YUGABYTE_FEATURES = f"{_YUGABYTE}api/ysql/sql-feature-support"
_YUGABYTE_LACKS = f"{_YUGABYTE}yugabyte-voyager/known-issues/postgresql"


class Lack(NamedTuple):
    """A feature that an engine lacks, or gives another meaning."""

    name: str
    pattern: str
    engine: str
    url: str
    sample: str

    @property
    def row(self) -> str:
        """Its row of the page."""
        return f"| {self.name} | [{self.engine}]({self.url}) |"

    def is_in(self, code: str) -> bool:
        """Whether a statement uses it; `code` as read_code gives it."""
        return re.search(self.pattern, code, re.IGNORECASE) is not None


LACKS = (
    Lack(
        "advisory locks",
        r"\bpg_(try_)?advisory_",
        "CockroachDB",
        f"{_COCKROACH}postgresql-compatibility",
        "SELECT pg_try_advisory_xact_lock(1)",
    ),
    Lack(
        "`LISTEN`, `NOTIFY`",
        r"(^|;)\s*(UN)?LISTEN\b|(^|;)\s*NOTIFY\b|\bpg_notify\b",
        "CockroachDB",
        f"{_COCKROACH}postgresql-compatibility",
        "SELECT 1; NOTIFY stored",
    ),
    Lack(
        "`xmin`, `ctid` and the other system columns",
        r"\b(xmin|xmax|cmin|cmax|ctid|tableoid)\b",
        "YugabyteDB",
        "https://github.com/yugabyte/yugabyte-db/issues/24843",
        'SELECT "xmin" FROM messages',
    ),
    Lack(
        "`SERIAL`, identities, sequences",
        r"\b(small|big)?serial\d?\b|\bAS IDENTITY\b|\bSEQUENCE\b|\b(nextval|currval|lastval)\b",
        "CockroachDB",
        f"{_COCKROACH}serial",
        "CREATE TABLE a (seq BIGSERIAL PRIMARY KEY)",
    ),
    Lack("rules", r"\bRULE\b", "Citus", _CITUS, "CREATE RULE a AS ON INSERT TO b DO NOTHING"),
    Lack(
        "deferrable constraints",
        r"\bDEFERR(ABLE|ED)\b",
        "YugabyteDB",
        _YUGABYTE_FEATURES,
        "CREATE TABLE a (b TEXT UNIQUE DEFERRABLE)",
    ),
    Lack(
        "triggers",
        r"\bTRIGGER\b",
        "Citus",
        "https://docs.citusdata.com/en/stable/extra/triggers.html",
        "CREATE TRIGGER a AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION d()",
    ),
    Lack(
        "transition tables (`REFERENCING NEW TABLE`)",
        r"\bREFERENCING\b",
        "CockroachDB",
        f"{_COCKROACH}known-limitations",
        "CREATE TRIGGER a AFTER INSERT ON b REFERENCING NEW TABLE AS c EXECUTE FUNCTION d()",
    ),
    Lack(
        "temporary tables",
        r"\bTEMP(ORARY)?\b",
        "CockroachDB",
        f"{_COCKROACH}temporary-tables",
        "CREATE TEMP TABLE a (b TEXT)",
    ),
    Lack("`TABLESAMPLE`", r"\bTABLESAMPLE\b", "Citus", _CITUS, "SELECT 1 FROM a TABLESAMPLE b (1)"),
    Lack(
        "`GROUPING SETS`, `ROLLUP`, `CUBE`",
        r"\bGROUPING\b|\bROLLUP\b|\bCUBE\b",
        "Citus",
        _CITUS,
        "SELECT count(*) FROM a GROUP BY ROLLUP (b)",
    ),
    Lack(
        "`WITH RECURSIVE`",
        r"\bWITH\s+RECURSIVE\b",
        "Citus",
        _CITUS,
        "WITH RECURSIVE a AS (SELECT 1 UNION SELECT 1 FROM a) SELECT 1 FROM a",
    ),
    Lack("`MERGE`", r"\bMERGE\s+INTO\b", "Citus", _CITUS, "MERGE INTO a USING b ON a.c = b.c"),
    Lack(
        "cursors (`DECLARE`) that lock or scroll",
        r"(^|;)\s*(DECLARE|FETCH|MOVE)\b",
        "CockroachDB",
        f"{_COCKROACH}cursors",
        "DECLARE a CURSOR FOR SELECT 1",
    ),
    Lack(
        "`LOCK TABLE`",
        r"(^|;)\s*LOCK\b",
        "YugabyteDB",
        "https://github.com/yugabyte/yugabyte-db/issues/5384",
        "LOCK TABLE messages IN EXCLUSIVE MODE",
    ),
    Lack(
        "inheritance of tables",
        r"\bINHERITS?\b",
        "YugabyteDB",
        _YUGABYTE_LACKS,
        "CREATE TABLE a () INHERITS (b)",
    ),
    Lack(
        "exclusion constraints",
        r"\bEXCLUDE\b",
        "YugabyteDB",
        _YUGABYTE_LACKS,
        "CREATE TABLE a (b TEXT, EXCLUDE (b WITH =))",
    ),
    Lack(
        "indexes by GiST, SP-GiST, BRIN, hash",
        r"\bUSING\s+(gist|spgist|brin|hash)\b",
        "YugabyteDB",
        _YUGABYTE_FEATURES,
        "CREATE INDEX a ON b USING brin (c)",
    ),
    Lack(
        "`UNLOGGED`, which a crash empties",
        r"\bUNLOGGED\b",
        "PostgreSQL",
        "https://www.postgresql.org/docs/current/sql-createtable.html",
        "CREATE UNLOGGED TABLE a (b TEXT)",
    ),
    Lack(
        "`TRUNCATE`, which is a change of the schema there",
        r"\bTRUNCATE\b",
        "CockroachDB",
        f"{_COCKROACH}truncate",
        "TRUNCATE pending_counts",
    ),
    Lack(
        "domains and range types",
        r"\bDOMAIN\b|\b(int[48]|num|ts|tstz|date)(multi)?range\b",
        "CockroachDB",
        f"{_COCKROACH}postgresql-compatibility",
        "CREATE TABLE a (b tstzrange)",
    ),
    Lack(
        "foreign keys that lack the distribution column",
        r"\bREFERENCES\b|\bFOREIGN\s+KEY\b",
        "Citus",
        _CITUS_DDL,
        "CREATE TABLE a (b TEXT REFERENCES messages)",
    ),
    Lack(
        "`/` between whole numbers, which gives a fraction there",
        r"/",
        "CockroachDB",
        f"{_COCKROACH}postgresql-compatibility",
        "SELECT row_number() OVER () / 1000",
    ),
    Lack(
        "`LIKE … ESCAPE`, which no index serves there",
        r"\bESCAPE\b",
        "CockroachDB",
        f"{_COCKROACH}known-limitations",
        r"SELECT 1 FROM texts WHERE folded_text LIKE :pattern ESCAPE '\'",
    ),
    Lack(
        'collations other than `"C"`',
        r'\bCOLLATE\b(?!\s+"C")',
        "YugabyteDB",
        f"{_YUGABYTE}explore/ysql-language-features/advanced-features/collations/",
        'CREATE TABLE a (b TEXT COLLATE "de_DE")',
    ),
)
