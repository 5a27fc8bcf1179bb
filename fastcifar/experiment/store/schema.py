"""The tables of a store, by version, and how those of an older version become those of this one."""

import sqlite3
import time

VERSION = 2  # kept as SQLite's user_version
FIRST = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    state TEXT NOT NULL,
    value REAL,
    metrics TEXT NOT NULL DEFAULT '{}',
    message TEXT NOT NULL DEFAULT '',
    started REAL NOT NULL,
    ended REAL
);
CREATE TABLE reports (
    trial INTEGER NOT NULL REFERENCES trials (number),
    step INTEGER NOT NULL,
    value REAL,
    time REAL NOT NULL,
    PRIMARY KEY (trial, step)
) WITHOUT ROWID;
"""
# A row for each change, in order. trial: the one whose row or reports have changed; NULL: values in meta have.
CHANGES = """
CREATE TABLE changes (number INTEGER PRIMARY KEY, trial INTEGER);
"""
TABLES = {1: FIRST, 2: FIRST + CHANGES}  # version of the schema: its tables
CHANGED = "INSERT INTO changes (trial) VALUES (?)"  # the next number is SQLite's to choose: one more than the last
SPARE = 1000  # rows of `changes` that may be there beside four for each trial


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, in the transaction that is open."""
    for statement in TABLES[VERSION].split(";"):
        connection.execute(statement)
    _begin(connection)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of a store's tables; 0 where it has none."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a store that is open to write to this version, and forget changes that later ones hide."""
    if version_of(connection) < VERSION:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if version_of(connection) < VERSION:  # no other process has done it meanwhile
                connection.execute(CHANGES)
                _begin(connection)
                connection.execute("INSERT INTO changes (trial) SELECT number FROM trials ORDER BY number")
    trials, changes = (
        connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in ("trials", "changes")
    )
    if changes > 4 * trials + SPARE:
        connection.execute(
            "DELETE FROM changes WHERE number > (SELECT MIN(number) FROM changes) "
            "AND number NOT IN (SELECT MAX(number) FROM changes GROUP BY trial)"
        )


def _begin(connection: sqlite3.Connection) -> None:
    """The first change. Its number is a time, so that no later store in the same place has numbers of this one's."""
    connection.execute("INSERT INTO changes VALUES (?, NULL)", (time.time_ns() // 1000,))
    connection.execute(f"PRAGMA user_version = {VERSION}")
