"""Rows in memory that never change, and the ones that follow upon them.

Every key has a number for as long as the process runs, and what is known of a row stands in arrays
by that number. So a change costs copies of a few flat arrays, and whatever they hold is shared. A
dictionary would be copied entry by entry, and the garbage collector would hold everybody up while
it looks at a million rows; here it sees none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

Row = TypeVar("Row")
Item = TypeVar("Item", bound=np.generic)
Objects = NDArray[np.object_]
Selected = Sequence[Any]
"""A row as it comes out of the database."""


class Numbers:
    """Gives each key a number, from 0 on, and never another one; all snapshots share it.

    One thread gives numbers, while others may ask for them.
    """

    __slots__ = ("_known", "count")

    def __init__(self) -> None:
        self.count = 0
        # Many, since everybody waits while a dictionary of a million is made larger.
        self._known: list[dict[str, int]] = [{} for _ in range(_DICTIONARIES)]

    def get(self, key: str) -> int:
        """The key's number, −1 where it has none."""
        return self._known[hash(key) % _DICTIONARIES].get(key, -1)

    def give(self, key: str) -> int:
        """The key's number, a new one where it has none."""
        number = self._known[hash(key) % _DICTIONARIES].setdefault(key, self.count)
        self.count += number == self.count
        return number


_DICTIONARIES = 256


@dataclass(frozen=True, slots=True)
class Changed:
    """What has become of m rows.

    `numbers`: int64 (m,), each once. `keys`: strings, object (m,). `rows`: object (m,). `marks`:
    uint64 (m,), a digest of all that a row says. `places` (m, …): where it is. Of a row that is no
    more the row is None, the mark 0, and the place None or NaN.
    """

    numbers: NDArray[np.int64]
    keys: Objects
    rows: Objects
    marks: NDArray[np.uint64]
    places: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Reading(Generic[Row]):
    """How rows are read that come out of the database.

    `key`: what each is called. `row`: what is kept of it, its key alone where that is None.
    `places`: of so many rows, where they are, as an array of that length.
    """

    key: Callable[[Selected], str]
    row: Callable[[Selected], Row] | None = None
    places: Callable[[Sequence[Selected]], NDArray[Any]] = lambda selected: np.empty(len(selected))


class Rows(Generic[Row]):
    """Rows by key and by number, none to begin with.

    `at`: object (n,), the rows by number, None where there is none.
    """

    __slots__ = ("_marks", "_numbers", "at")

    def __init__(self) -> None:
        self.at: Objects = np.empty(0, dtype=np.object_)
        self._marks = np.empty(0, dtype=np.uint64)
        self._numbers = Numbers()

    def get(self, key: str) -> Row | None:
        number = self._numbers.get(key)
        if not 0 <= number < len(self.at):  # it may be known to a later snapshot
            return None
        row: Row | None = self.at[number]
        return row

    def number(self, key: str) -> int:
        """The number of the row with this key, −1 where there is none."""
        number = self._numbers.get(key)
        return number if 0 <= number < len(self.at) and self.at[number] is not None else -1

    @property
    def mark(self) -> int:
        """Equal where all rows are, whatever their numbers."""
        return int(self._marks.sum())

    def changed(
        self,
        batches: Iterable[Sequence[Selected]],
        asked: Iterable[str] | None,
        read: Reading[Row],
    ) -> Changed:
        """What is other than here in the database, of which rows come in batches.

        `asked`: the keys by which rows were asked for, None where all were. Those are no more that
        did not come.
        """
        parts, seen = [], []
        for batch in chain([()], batches):  # an empty one, so that there is one
            keys = [read.key(selected) for selected in batch]
            numbers = np.array([self._numbers.give(key) for key in keys], dtype=np.int64)
            marks = np.array([_mark(selected) for selected in batch], dtype=np.uint64)
            other = np.flatnonzero(self._marks_of(numbers) != marks)
            keys = [keys[i] for i in other.tolist()]
            others = [batch[i] for i in other.tolist()]
            parts.append(
                Changed(
                    numbers[other],
                    _objects(keys),
                    _objects([read.row(selected) for selected in others] if read.row else keys),
                    marks[other],
                    read.places(others),
                )
            )
            seen.append(numbers)
        # Marked one by one: set operations of numpy hold everybody up.
        is_gone = np.full(self._numbers.count, asked is None)
        if asked is not None:
            known = [number for key in asked if (number := self._numbers.get(key)) >= 0]
            is_gone[known] = True
        is_gone[len(self._marks) :] = False
        is_gone[: len(self._marks)] &= self._marks > 0
        is_gone[np.concatenate(seen)] = False
        gone = np.flatnonzero(is_gone)
        parts.append(
            Changed(
                gone,
                np.full(len(gone), "", dtype=np.object_),
                np.full(len(gone), None, dtype=np.object_),
                np.zeros(len(gone), dtype=np.uint64),
                grown(parts[0].places, len(gone)),
            )
        )
        return Changed(
            *(
                np.concatenate([getattr(part, field.name) for part in parts])
                for field in fields(Changed)
            )
        )

    def with_others(self, changed: Changed) -> Rows[Row]:
        """The rows as they are after a change. These stay as they are."""
        count = max(len(self.at), self._numbers.count)
        rows: Rows[Row] = Rows()
        rows._numbers = self._numbers
        rows.at = grown(self.at, count)
        rows.at[changed.numbers] = changed.rows
        rows._marks = grown(self._marks, count)
        rows._marks[changed.numbers] = changed.marks
        return rows

    def _marks_of(self, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The marks of rows, 0 for those that are not here."""
        marks = np.zeros(len(numbers), dtype=np.uint64)
        here = (numbers >= 0) & (numbers < len(self._marks))
        marks[here] = self._marks[numbers[here]]
        return marks


def grown(array: NDArray[Item], count: int) -> NDArray[Item]:
    """A copy with at least so many rows; the new ones are None, NaN or 0."""
    filling = 0 if array.dtype.kind in "iu" else None
    copy = np.full((count, *array.shape[1:]), filling, dtype=array.dtype)
    copy[: len(array)] = array
    return copy


def _objects(values: Sequence[object]) -> Objects:
    return np.fromiter(values, dtype=np.object_, count=len(values))


def _mark(selected: Selected) -> int:
    said = orjson.dumps(tuple(selected), default=bytes.hex)
    return int.from_bytes(blake2b(said, digest_size=8).digest()) or 1
