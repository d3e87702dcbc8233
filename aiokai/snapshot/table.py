"""Rows that keep their number while columns grow: the storage under the incremental cache.

A key takes a row from a free list and gives it back; arrays double when they are full. Row numbers mean nothing. Beside
its columns a table has one Python value a row, for what is no number.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from aiokai.snapshot import derive
from aiokai.snapshot.arrays import FIRST_RESOURCES, I64
from aiokai.snapshot.reading import Amount

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Array = NDArray[Any]

_FIRST_WIDTH: Final = 8


class Column(NamedTuple):
    """What a column holds: its type, the value of an unused row, and the axes after the first, by name or length."""

    dtype: type[np.generic]
    empty: int = 0
    axes: tuple[str | int, ...] = ()


class Table(Generic[Key, Value]):
    """Columns over one axis.

    Attributes:
        of: the columns by name, longer than what is used; `copy` gives the used part.
        values: the Python value of each row, None where it is unused.
        size: how many rows were ever used at once.
    """

    def __init__(self, columns: dict[str, Column], widths: dict[str, int] | None = None) -> None:
        self._columns = columns
        self._widths = widths or {}
        self._row: dict[Key, int] = {}
        self._free: list[int] = []
        self._capacity = 8
        self.size = 0
        self.of: dict[str, Array] = {name: self._made(column, 8) for name, column in columns.items()}
        self.values: list[Value | None] = []

    def _made(self, column: Column, rows: int) -> Array:
        shape = (axis if isinstance(axis, int) else self._widths[axis] for axis in column.axes)
        return np.full((rows, *shape), column.empty, column.dtype)

    def __contains__(self, key: Key) -> bool:
        return key in self._row

    def __iter__(self) -> Iterator[Key]:
        return iter(self._row)

    def find(self, key: Key) -> int:
        """The key's row, -1 if it has none."""
        return self._row.get(key, -1)

    def value(self, row: int) -> Value:
        """The value of a row in use."""
        value = self.values[row]
        assert value is not None
        return value

    def take(self, key: Key) -> int:
        """The key's row, a fresh one without a value if it has none."""
        row = self._row.get(key, -1)
        if row >= 0:
            return row
        if self._free:
            row = self._free.pop()
        else:
            row = self.size
            self.size += 1
            self.values.append(None)
            if row == self._capacity:
                self._grow_rows()
        self._row[key] = row
        return row

    def release(self, key: Key) -> int:
        """Give the key's row back, emptied; returns it."""
        row = self._row.pop(key)
        for name, column in self._columns.items():
            self.of[name][row] = column.empty
        self.values[row] = None
        self._free.append(row)
        return row

    def _grow_rows(self) -> None:
        for name, column in self._columns.items():
            self.of[name] = np.concatenate([self.of[name], self._made(column, self._capacity)])
        self._capacity *= 2

    def widen(self, axis: str, width: int) -> None:
        """Let another axis have `width` places; what was there stays."""
        if width <= self._widths[axis]:
            return
        self._widths[axis] = width
        for name, column in self._columns.items():
            if axis in column.axes:
                old, new = self.of[name], self._made(column, self._capacity)
                new[tuple(slice(0, n) for n in old.shape)] = old
                self.of[name] = new

    def copy(self, name: str, width: int | None = None) -> Array:
        """The used part of a column, for a snapshot; of its second axis the first `width` places."""
        used = self.of[name][: self.size]
        return used.copy() if width is None else np.array(used[:, :width], order="C")


class Resources:
    """Which column a resource has, in every table with an axis R. Columns are only ever added."""

    def __init__(self) -> None:
        self.columns = {name: i for i, name in enumerate(FIRST_RESOURCES)}
        self.width = _FIRST_WIDTH
        self._tables: list[Table[Any, Any]] = []

    def __len__(self) -> int:
        return len(self.columns)

    def table(self, columns: dict[str, Column], **widths: int) -> Table[Any, Any]:
        """A table whose axis R grows along."""
        table: Table[Any, Any] = Table(columns, {"R": self.width, **widths})
        self._tables.append(table)
        return table

    def learn(self, names: Iterable[str]) -> None:
        """Give every resource named a column."""
        for name in names:
            self.columns.setdefault(name, len(self.columns))
        while len(self.columns) > self.width:
            self.width *= 2
            for table in self._tables:
                table.widen("R", self.width)

    def vector(self, amounts: Iterable[Amount]) -> I64:
        """Amounts as a row as wide as the tables."""
        amounts = tuple(amounts)
        self.learn(name for name, _ in amounts)
        return derive.vector(amounts, self.columns, self.width)
