"""Rows that keep their number while columns grow: the storage under the incremental cache.

A key takes a row from a free list and gives it back; arrays double when they are full. Row numbers mean nothing.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
Array = NDArray[Any]


class Column(NamedTuple):
    """What a column holds: its type, the value of an unused row, and the axes after the first, by name."""

    dtype: type[np.generic]
    empty: int = 0
    axes: tuple[str, ...] = ()


class Table(Generic[Key]):
    """Columns over one axis. `widths` are the sizes of the other axes, which may grow too."""

    def __init__(self, columns: dict[str, Column], widths: dict[str, int] | None = None) -> None:
        self._columns = columns
        self._widths = {"3": 3, "5": 5, **(widths or {})}
        self._row: dict[Key, int] = {}
        self._free: list[int] = []
        self._capacity = 8
        self.size = 0
        self.of: dict[str, Array] = {name: self._made(column, 8) for name, column in columns.items()}

    def _made(self, column: Column, rows: int) -> Array:
        return np.full((rows, *(self._widths[axis] for axis in column.axes)), column.empty, column.dtype)

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, key: Key) -> bool:
        return key in self._row

    def __iter__(self) -> Iterator[Key]:
        return iter(self._row)

    def find(self, key: Key) -> int:
        """The key's row, -1 if it has none."""
        return self._row.get(key, -1)

    def take(self, key: Key) -> int:
        """The key's row, a fresh one if it has none."""
        row = self._row.get(key, -1)
        if row >= 0:
            return row
        if self._free:
            row = self._free.pop()
        else:
            row = self.size
            self.size += 1
            if row == self._capacity:
                self._grow_rows()
        self._row[key] = row
        return row

    def release(self, key: Key) -> int:
        """Give the key's row back, emptied; returns it."""
        row = self._row.pop(key)
        for name, column in self._columns.items():
            self.of[name][row] = column.empty
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

    def copy(self, name: str) -> Array:
        """The used part of a column, for a snapshot."""
        return self.of[name][: self.size].copy()
