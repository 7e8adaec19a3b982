"""What an import is told, what it says while it works, and what it says at the end."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gridmap.errors import Invalid
from gridmap.geo.datums import Datum
from gridmap.geo.problems import Problem, Severity


class Noun(StrEnum):
    """What a file holds, in the order in which files are imported."""

    REGIONS = "regions"
    GRIDS = "grids"
    BUILDINGS = "buildings"
    SPONSORS = "sponsors"
    SPONSORSHIPS = "sponsorships"
    WORKERS = "workers"
    VISITS = "visits"
    MEMBER_CARDS = "member-cards"
    CATEGORIES = "categories"
    DEADLINES = "deadlines"
    REPORT_RULES = "report-rules"


class CodeScheme(StrEnum):
    """STANDARD codes say by their digits where a thing belongs; FREE ones say nothing."""

    STANDARD = "standard"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is to be read.

    `datum`: of every coordinate in the file; required where there are any.
    `columns`: our field → the file's heading, where the heading is not recognised by itself.
    `layer`, `encoding`: as `gridmap.geo.files.read_batches` takes them.
    `valid_from`: the first day on which a row holds that does not say so itself; None is today.
    `repair`: mend geometries that can be mended, and say what was changed.
    `dry_run`: check everything and count what would change, but write nothing.
    `trust_positions`: take a file in that lies beside what is kept as one datum beside another.
    `sliver_tolerance_metres`: two grids may overlap in strips as wide as this; 0 or more.
    `free_region`: with free codes, the region of rows that name no community; made when missing.
    """

    datum: Datum | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    layer: str | None = None
    encoding: str | None = None
    valid_from: datetime.date | None = None
    code_scheme: CodeScheme = CodeScheme.STANDARD
    repair: bool = False
    dry_run: bool = False
    trust_positions: bool = False
    sliver_tolerance_metres: float = 1.0
    free_region: str = "foreign"

    def __post_init__(self) -> None:
        """Raises Invalid for a tolerance that is no length."""
        if not 0 <= self.sliver_tolerance_metres < math.inf:
            raise Invalid(
                f"--sliver-tolerance {self.sliver_tolerance_metres:g} is no length. "
                "Give metres, 0 or more."
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an import is: `done` of `total` rows of its `stage`; `total` is None if not known."""

    stage: str
    done: int = 0
    total: int | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of a file."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import did, or with `dry_run` or `errors` would have done.

    `counts` are zero where `errors` kept the file from being compared with what is kept.
    `problems` are in the order of rows. `ignored_columns` are headings that mean nothing here.
    `written` says whether the database now holds what the file says.
    """

    noun: Noun
    file: str
    read: int
    counts: Counts
    problems: tuple[Problem, ...]
    ignored_columns: tuple[str, ...]
    written: bool

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(each for each in self.problems if each.severity is Severity.ERROR)

    @property
    def repaired(self) -> int:
        """How many rows were mended."""
        return len({each.row for each in self.problems if each.severity is Severity.REPAIRED})
