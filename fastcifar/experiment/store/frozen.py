"""Reads an experiment's file where nothing can be written: on a read-only disk, in another user's folder."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path


def connect_frozen(path: Path) -> sqlite3.Connection:
    """Read a database that nobody can write to, not even a reader's lock.

    A killed driver leaves its last transactions in the file -wal. SQLite reads them only with a file -shm beside it,
    and ignores them where it cannot make that file; so a copy of both is read.
    """
    log = path.with_name(f"{path.name}-wal")
    if not (log.exists() and log.stat().st_size):
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    memory = sqlite3.connect(":memory:", isolation_level=None)
    with tempfile.TemporaryDirectory(prefix="fastcifar-") as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        with closing(sqlite3.connect(Path(folder) / path.name)) as copy:
            copy.backup(memory)
    return memory
