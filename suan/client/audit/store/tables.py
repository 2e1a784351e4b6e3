"""The audit's memory on disk: tables of entries in one SQLite file, so that memory stays flat and a killed run goes on.

Entries that are in use lie in a cache and are written back between two steps (`settle`), never within one, so that a value
in somebody's hands is never a stale copy. `commit` makes everything so far the state that a killed run goes on from, in one
SQLite transaction. Old values of the blocks near the head are kept, and `rollback` undoes a block that was replaced.
Without a path the file is a temporary one, which ends with the audit.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from suan.client.audit.store.codec import Codec
from suan.client.errors import UsageError

K = TypeVar("K")
V = TypeVar("V")
CACHED_MAX = 4_096
"""Entries of a table in memory between two steps."""
PAGE_ROWS = 1_000
BLOCKS_UNDOABLE = 96
"""Blocks whose old values are kept. A deeper reorganisation means beginning again."""
FORM = "suan audit state 1"
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (name TEXT, key TEXT, value TEXT, PRIMARY KEY (name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo
    (block INTEGER, name TEXT, key TEXT, value TEXT, PRIMARY KEY (block, name, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash TEXT NOT NULL);
"""


class Table(MutableMapping[K, V], Generic[K, V]):
    """A dict in the store. Keys are text or tuples of plain values; with `make`, a missing entry is made as by defaultdict.

    Iteration follows the text of the keys and may go on while entries are written.
    """

    def __init__(self, store: Store, name: str, make: Callable[[], V] | None = None) -> None:
        self.store, self.name, self.make = store, name, make
        self._cache: dict[K, V] = {}
        self._read: dict[K, str | None] = {}
        self.changed: set[K] = set()
        """Keys written since somebody last cleared this; only kept while the store notes changes."""

    def __getitem__(self, key: K) -> V:
        if key in self._cache:
            return self._cache[key]
        text = self.store.read(self.name, self._text(key))
        if text is None:
            if self.make is None:
                raise KeyError(key)
            value = self.make()
        else:
            value = cast(V, self.store.codec.decode(text))
        self._cache[key], self._read[key] = value, text
        return value

    def __setitem__(self, key: K, value: V) -> None:
        if key not in self._read:
            self._read[key] = self.store.read(self.name, self._text(key))
        self._cache[key] = value

    def __delitem__(self, key: K) -> None:
        raise TypeError(f"nothing is ever taken out of {self.name}")

    def __contains__(self, key: object) -> bool:
        if key in self._cache:
            return True
        return self.store.read(self.name, self._text(cast(K, key))) is not None

    def get(self, key: K, default: Any = None) -> Any:
        """The value, or `default`; unlike [], it never makes one."""
        return self[key] if key in self else default

    def __iter__(self) -> Iterator[K]:
        for key, _ in self._rows(""):
            yield key

    def __len__(self) -> int:
        self.flush()
        return self.store.count(self.name)

    def items(self) -> Any:
        """Pairs, in the order of the keys' text."""
        return self._rows("")

    def values(self) -> Any:
        """Values, in the order of the keys' text."""
        return (value for _, value in self._rows(""))

    def begin_with(self, start: str) -> Iterator[tuple[K, V]]:
        """Pairs whose (text) key begins with `start`."""
        return self._rows(start)

    def flush(self) -> None:
        """Write what changed; the cache stays."""
        for key, value in self._cache.items():
            text = self.store.codec.encode(value)
            before = self._read[key]
            if text != before:
                self.store.write(self.name, self._text(key), text, before)
                self._read[key] = text
                if self.store.notes_changes:
                    self.changed.add(key)

    def settle(self) -> None:
        """Between two steps: write back and empty a cache that has grown too large."""
        if len(self._cache) > CACHED_MAX:
            self.flush()
            self.forget()

    def forget(self) -> None:
        """Empty the cache without writing."""
        self._cache.clear()
        self._read.clear()

    def _rows(self, start: str) -> Iterator[tuple[K, V]]:
        self.flush()
        for text, value in self.store.rows(self.name, start):
            key = self.key_of(text)
            yield key, self._cache[key] if key in self._cache else cast(V, self.store.codec.decode(value))

    def key_of(self, text: str) -> K:
        """The key with this text."""
        return cast(K, self.store.codec.decode(text) if text.startswith(("[", '"')) else text)

    def _text(self, key: K) -> str:
        if isinstance(key, str) and not key.startswith(("[", '"')):
            return key
        return self.store.codec.encode(key)


class Rows(Generic[V]):
    """A list in the store that only grows."""

    def __init__(self, store: Store, name: str) -> None:
        self._name = name
        self._table: Table[str, V] = store.table(name)
        self._lengths: Table[str, int] = store.table("lengths", int)

    def append(self, value: V) -> None:
        self._table[f"{len(self):012d}"] = value
        self._lengths[self._name] += 1

    def __getitem__(self, position: int) -> V:
        return self._table[f"{position:012d}"]

    def __iter__(self) -> Iterator[V]:
        return iter(self._table.values())

    def __len__(self) -> int:
        return self._lengths[self._name]


class Store:
    """One audit's tables and single values. `path` None is a temporary file. Raises UsageError for a file that is no state."""

    def __init__(self, path: Path | None, codec: Codec) -> None:
        self.path, self.codec = path, codec
        self.block: int | None = None
        """The block that is being folded; old values are kept under it. None where nothing needs undoing."""
        self.notes_changes = False
        self._tables: dict[str, Table[Any, Any]] = {}
        self._pinned: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {}
        try:
            self._db = sqlite3.connect(path or "", isolation_level=None, timeout=1)
            if path is None:
                self._db.execute("PRAGMA synchronous = OFF")
                self._db.execute("PRAGMA journal_mode = OFF")
            self._db.execute("PRAGMA cache_size = -8192")  # KiB
            self._db.execute("PRAGMA temp_store = FILE")
            self._begin()
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
        except sqlite3.Error as error:
            raise UsageError(
                f"{path} cannot be used as a state file: {error}; is another audit using it?"
            ) from error
        self._close = weakref.finalize(self, self._db.close)
        form = self.read("store", "form")
        if form not in (None, FORM):
            raise UsageError(f"{path} is the state of another version of this program; begin a new one")
        self.write("store", "form", FORM, form)

    def table(self, name: str, make: Callable[[], Any] | None = None) -> Table[Any, Any]:
        """The table of that name."""
        if name not in self._tables:
            self._tables[name] = Table(self, name, make)
        return self._tables[name]

    def pin(self, name: str, get: Callable[[], Any], put: Callable[[Any], None]) -> None:
        """A single value that lives elsewhere: `get` is asked at each commit, `put` gets a stored one, now and on rollback."""
        self._pinned[name] = get, put
        text = self.read("pinned", name)
        if text is None:
            self.write("pinned", name, self.codec.encode(get()), None)
        else:
            put(self.codec.decode(text))

    def once(self, phase: str, key: str) -> bool:
        """Whether this step of a phase is taken for the first time; then it counts as taken."""
        table = self.table(f"done {phase}")
        if key in table:
            return False
        table[key] = 1
        return True

    def settle(self) -> None:
        """Between two steps: keep the caches small."""
        for table in self._tables.values():
            table.settle()

    def end_block(self, number: int, block_hash: str) -> None:
        """Everything up to this block is folded. The caller commits when it likes."""
        self.flush()
        keep = (
            number if self.block is None else number - BLOCKS_UNDOABLE
        )  # Nobody can go back over what keeps no values.
        self.block = None
        self._db.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?)", (number, block_hash))
        self._db.execute("DELETE FROM undo WHERE block <= ?", (keep,))
        self._db.execute("DELETE FROM blocks WHERE number < ?", (keep,))

    def newest(self) -> tuple[int, str] | None:
        """(number, hash) of the last block that is folded."""
        return cast(
            tuple[int, str] | None,
            self._db.execute("SELECT number, hash FROM blocks ORDER BY number DESC LIMIT 1").fetchone(),
        )

    def blocks(self) -> list[tuple[int, str]]:
        """(number, hash) of the blocks that can be gone back to, newest first."""
        return self._db.execute("SELECT number, hash FROM blocks ORDER BY number DESC").fetchall()

    def rollback(self, number: int) -> None:
        """Undo every block above `number`, which must be one of `blocks`, and the one in hand."""
        for table in self._tables.values():
            table.forget()
        query = "SELECT name, key, value FROM undo WHERE block > ? ORDER BY block DESC"
        for name, key, value in self._db.execute(query, (number,)).fetchall():
            if value is None:
                self._db.execute("DELETE FROM entries WHERE name = ? AND key = ?", (name, key))
            else:
                self._db.execute("REPLACE INTO entries VALUES (?, ?, ?)", (name, key, value))
            if self.notes_changes and name in self._tables:
                self._tables[name].changed.add(self._tables[name].key_of(key))
        self._db.execute("DELETE FROM undo WHERE block > ?", (number,))
        self._db.execute("DELETE FROM blocks WHERE number > ?", (number,))
        self.block = None
        self._put_pinned()

    def flush(self) -> None:
        """Write every changed entry and single value into the open transaction."""
        for table in self._tables.values():
            table.flush()
        for name, (get, _) in self._pinned.items():
            text = self.codec.encode(get())
            before = self.read("pinned", name)
            if text != before:
                self.write("pinned", name, text, before)

    def commit(self) -> None:
        """From here a killed run goes on."""
        self.flush()
        for table in self._tables.values():
            table.forget()
        try:
            self._db.execute("COMMIT")
            self._begin()
        except sqlite3.Error as error:
            raise UsageError(f"the state file {self.path} cannot be written: {error}") from error

    def clear(self) -> None:
        """Begin again from nothing. Values that are pinned keep what they have; pin them anew."""
        for table in self._tables.values():
            table.forget()
        for name in ("entries", "undo", "blocks"):
            self._db.execute(f"DELETE FROM {name}")  # noqa: S608 - our own table names
        self._pinned.clear()
        self.write("store", "form", FORM, None)

    def close(self) -> None:
        """Let go of the file; what was not committed is lost."""
        self._close()

    def read(self, name: str, key: str) -> str | None:
        """The stored text of an entry."""
        row = self._db.execute("SELECT value FROM entries WHERE name = ? AND key = ?", (name, key)).fetchone()
        return None if row is None else str(row[0])

    def write(self, name: str, key: str, value: str, before: str | None) -> None:
        """Store the text of an entry, and keep `before` while its block can be undone."""
        if self.block is not None:
            self._db.execute(
                "INSERT OR IGNORE INTO undo VALUES (?, ?, ?, ?)", (self.block, name, key, before)
            )
        self._db.execute("REPLACE INTO entries VALUES (?, ?, ?)", (name, key, value))

    def rows(self, name: str, start: str) -> Iterator[tuple[str, str]]:
        """(key, value) of a table by key, a page at a time; `start` is what the keys begin with."""
        after, compare = start, ">="
        while True:
            query = f"SELECT key, value FROM entries WHERE name = ? AND key {compare} ? ORDER BY key LIMIT ?"  # noqa: S608
            page = self._db.execute(query, (name, after, PAGE_ROWS)).fetchall()
            for key, value in page:
                if not key.startswith(start):
                    return
                yield key, value
            if len(page) < PAGE_ROWS:
                return
            after, compare = page[-1][0], ">"

    def count(self, name: str) -> int:
        """Entries of a table."""
        row = self._db.execute("SELECT count(*) FROM entries WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def _begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def _put_pinned(self) -> None:
        for name, (_, put) in self._pinned.items():
            text = self.read("pinned", name)
            if text is not None:
                put(self.codec.decode(text))
