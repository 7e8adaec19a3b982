"""One import under way: what it was asked, the transaction it works in, and what it has found."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sqlalchemy import Connection, CursorResult, text

from gridmap.errors import Invalid
from gridmap.geo.batches import Batch
from gridmap.geo.datums import Datum
from gridmap.geo.problems import Kind, Problem, Severity
from gridmap.store.imports.columns import Columns, Rows
from gridmap.store.imports.options import CodeScheme, Counts, ImportOptions, Noun, Progress, Report


class Importer(Protocol):
    """What is particular to a noun, in the order in which the pipeline asks for it."""

    STAGED: ClassVar[dict[str, str]]
    """Columns of the staging table beside the row's number, and their SQL types."""

    def stage(self, rows: Rows, batch: Batch) -> tuple[list[Any], ...]:
        """A batch's values for `STAGED`, column by column; refuses rows by themselves."""

    def check(self) -> None:
        """Refuses rows for what other rows, or rows kept, say; all in SQL over the whole file."""

    def merge(self) -> Counts:
        """Writes what has changed. Called only when nothing was refused."""


@dataclass(slots=True)
class Run:
    """`day` is the first day of rows that do not say theirs.

    `meanwhile` is what can be done with a batch that is staged while others are read; batches that
    are `left` after the reading are the importer's to do. Each is named by the numbers of its first
    and last row. `pending` waits for what goes on in `pool` while rows are merged, and reports it;
    if anything is refused by then, the merge is undone. What is entered into `resources` lives
    until then.
    """

    connection: Connection
    noun: Noun
    path: Path
    options: ImportOptions
    columns: Columns
    day: datetime.date
    report: Report
    pool: ThreadPoolExecutor
    resources: ExitStack
    problems: list[Problem] = field(default_factory=list)
    meanwhile: Callable[[int, int], None] | None = None
    left: list[tuple[int, int]] = field(default_factory=list)
    pending: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_standard(self) -> bool:
        return self.options.code_scheme is CodeScheme.STANDARD

    @property
    def is_refused(self) -> bool:
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    @property
    def datum(self) -> Datum:
        """What the file's coordinates are measured against. Raises Invalid where nobody said."""
        if self.options.datum is None:
            raise Invalid(
                f"{self.path.name} has coordinates; say their datum with --datum: "
                f"{', '.join(Datum)}. Taken for the wrong one they lie up to 1.4 km off."
            )
        return self.options.datum

    def refuse(self, row: int, code: str | None, kind: Kind, message: str, remedy: str) -> None:
        self.problems.append(Problem(row, code, kind, message, remedy))

    def warn(self, row: int, code: str | None, kind: Kind, message: str, remedy: str) -> None:
        self.problems.append(Problem(row, code, kind, message, remedy, Severity.WARNING))

    def say(self, stage: str, done: int = 0, total: int | None = None) -> None:
        self.report(Progress(stage, done, total))

    def sql(self, statement: str, **parameters: Any) -> CursorResult[*tuple[Any, ...]]:
        return self.connection.execute(text(statement), parameters)
