"""What is wrong with a row of a district's file, said so that its owner can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR refuses the file; WARNING is said and the row kept; REPAIRED says what was changed."""

    ERROR = "error"
    WARNING = "warning"
    REPAIRED = "repaired"


class Kind(StrEnum):
    """Stable names of problems, for people to search for and for programs to count."""

    NULL_GEOMETRY = "null-geometry"
    EMPTY_GEOMETRY = "empty-geometry"
    WRONG_GEOMETRY_TYPE = "wrong-geometry-type"
    UNREADABLE_GEOMETRY = "unreadable-geometry"
    UNCLOSED_RING = "unclosed-ring"
    TOO_FEW_POINTS = "too-few-points"
    SELF_CROSSING = "self-crossing"
    NOT_FINITE = "not-finite"
    OUT_OF_RANGE = "out-of-range"
    SWAPPED_COORDINATES = "swapped-coordinates"
    OUTSIDE_CHINA = "outside-china"
    WRONG_DATUM = "wrong-datum"
    OVERLAP = "overlap"
    OUTSIDE_GRIDS = "outside-grids"
    MISSING_VALUE = "missing-value"
    BAD_VALUE = "bad-value"
    BAD_CODE = "bad-code"
    DUPLICATE_CODE = "duplicate-code"
    UNKNOWN_PARENT = "unknown-parent"
    UNKNOWN_CODE = "unknown-code"
    DATE_CONFLICT = "date-conflict"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one row, or with the file as a whole, which is row 0.

    `row` counts as the reader of the file does: features from 1; lines of a table with the
    heading as line 1. `message` says what is wrong, `remedy` what to do.
    """

    row: int
    code: str | None
    kind: Kind
    message: str
    remedy: str
    severity: Severity = Severity.ERROR
