"""`:name` becomes `$n`, and nothing else changes."""

import pytest

from service.store.postgres.parameters import number_parameters

STATEMENTS = {
    "none": ("SELECT 1;", "SELECT 1;", ()),
    "one": ("SELECT :a;", "SELECT $1;", ("a",)),
    "in the order of first use": ("SELECT :b, :a;", "SELECT $1, $2;", ("b", "a")),
    "a repeated one": ("SELECT :a, :b, :a;", "SELECT $1, $2, $1;", ("a", "b")),
    "one that begins as another": (
        "SELECT :a, :a_b, :a1;",
        "SELECT $1, $2, $3;",
        ("a", "a_b", "a1"),
    ),
    "beside a sign": ("SELECT(:a)+:b", "SELECT($1)+$2", ("a", "b")),
    "more than nine": (
        " ".join(f":p{number}" for number in range(12)),
        " ".join(f"${number}" for number in range(1, 13)),
        tuple(f"p{number}" for number in range(12)),
    ),
    "in a comment": ("-- :a\nSELECT :b -- :c", "-- :a\nSELECT $1 -- :c", ("b",)),
    "a quote in a comment": ("-- it's\nSELECT :a;", "-- it's\nSELECT $1;", ("a",)),
    "in a string": ("SELECT ':a', :b;", "SELECT ':a', $1;", ("b",)),
    "in a string with a quote": ("SELECT 'it''s :a', :b;", "SELECT 'it''s :a', $1;", ("b",)),
    "a string that ends with a backslash": (
        r"SELECT '\', :a, '\';",
        r"SELECT '\', $1, '\';",
        ("a",),
    ),
    "a comment's mark in a string": ("SELECT '-- ', :a;", "SELECT '-- ', $1;", ("a",)),
    "in a quoted name": ('SELECT ":a", :b;', 'SELECT ":a", $1;', ("b",)),
    "in a quoted name with a quote": ('SELECT "x"":a", :b;', 'SELECT "x"":a", $1;', ("b",)),
    "a cast": ("SELECT a::text, :b;", "SELECT a::text, $1;", ("b",)),
    "a cast of one": ("SELECT :a::text;", "SELECT $1::text;", ("a",)),
    "a slice of an array": ("SELECT a[1:2], :b;", "SELECT a[1:2], $1;", ("b",)),
    "a string that does not end": ("SELECT :a, 'x", "SELECT $1, 'x", ("a",)),
    "a name that does not end": ('SELECT :a, "x', 'SELECT $1, "x', ("a",)),
    "nothing": ("", "", ()),
}


@pytest.mark.parametrize(("sql", "expected", "names"), STATEMENTS.values(), ids=[*STATEMENTS])
def test_a_parameter_gets_a_number(sql: str, expected: str, names: tuple[str, ...]) -> None:
    assert number_parameters(sql) == (expected, names)
