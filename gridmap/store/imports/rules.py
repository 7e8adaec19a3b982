"""Checks that several nouns share, each one statement over all staged rows."""

from __future__ import annotations

from gridmap.geo.problems import Kind, Severity
from gridmap.store.imports.run import Run


def refuse_repeated(
    run: Run,
    *columns: str,
    table: str = "staged",
    code: str = "code",
    remedy: str = "Remove one of the two rows, or give it a code of its own.",
) -> None:
    """Refuses each row that repeats the columns' values of an earlier one, naming that one.

    The district is not named: rows that share a code and are refused are of one district.
    """
    keys = ", ".join(columns)
    for row, named, first in run.sql(
        f"""
        SELECT file_row, {code}, first
        FROM (
            SELECT file_row, {code}, min(file_row) OVER (PARTITION BY {keys}) AS first
            FROM {table}
            WHERE {columns[0]} IS NOT NULL
        ) AS numbered
        WHERE file_row > first
        """
    ):
        run.refuse(
            row,
            named,
            Kind.DUPLICATE_CODE,
            f"row {first} has the same {_plainly(columns)}",
            remedy,
        )


def refuse_unknown(
    run: Run,
    column: str,
    table: str,
    what: str,
    *,
    kind: Kind = Kind.UNKNOWN_PARENT,
    code: str = "code",
    in_file_too: bool = False,
    remedy: str | None = None,
) -> None:
    """Refuses each row whose `column` names no row of `table` (nor, if asked, of the file).

    Served by the table's primary key, or by its index on the code.
    """
    or_in_file = (
        f"AND NOT EXISTS (SELECT 1 FROM staged AS other WHERE other.code = staged.{column})"
        if in_file_too
        else ""
    )
    for row, named, missing in run.sql(
        f"""
        SELECT file_row, {code}, {column}
        FROM staged
        WHERE {column} IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM {table} AS kept WHERE kept.code = staged.{column})
          {or_in_file}
        """
    ):
        run.refuse(
            row,
            named,
            kind,
            f"{what} {missing} is not known",
            remedy or f"Correct the code, or import {table} with it first.",
        )


def find_district(run: Run, target: str, table: str, *, code: str) -> None:
    """Settles `district_code`: what the row names, else the only one that has its building or grid.

    Refuses rows that leave a choice, or name a district that has none such; `code` names them.
    Served by the table's index on the code.
    """
    run.sql(
        f"""
        UPDATE staged
        SET district_code = (
            SELECT min(district_code)
            FROM {table}
            WHERE {table}.code = staged.{target}_code
              AND {table}.district_code
                  = COALESCE(staged.named_district_code, {table}.district_code)
        )
        WHERE {target}_code IS NOT NULL
        """
    )
    for row, named, wanted, district in run.sql(
        f"""
        SELECT file_row, {code}, {target}_code, named_district_code
        FROM staged
        WHERE named_district_code IS NOT NULL
          AND district_code IS NULL
          AND EXISTS (SELECT 1 FROM {table} WHERE {table}.code = staged.{target}_code)
        """
    ):
        run.refuse(
            row,
            named,
            Kind.UNKNOWN_CODE,
            f"{target} {wanted} is not in district {district}",
            f"Correct the {target} or the district, or leave the district empty.",
        )
    for row, named, wanted in run.sql(
        f"""
        SELECT file_row, {code}, {target}_code
        FROM staged
        WHERE named_district_code IS NULL
          AND EXISTS (
              SELECT 1
              FROM {table}
              WHERE {table}.code = staged.{target}_code
                AND {table}.district_code > staged.district_code
          )
        """
    ):
        run.refuse(
            row,
            named,
            Kind.UNKNOWN_CODE,
            f"several districts have a {target} {wanted}",
            "Say which in a column district, by the district's code.",
        )


def drop_refused(run: Run, table: str = "staged") -> None:
    """Takes rows out of `table` that are refused already, so that one fault is not said twice.

    For checks that compare rows: what a faulty row comes to says nothing of the others.
    """
    run.sql(
        f"DELETE FROM {table} WHERE file_row = ANY(CAST(:rows AS integer[]))",
        rows=sorted({each.row for each in run.problems if each.severity is Severity.ERROR}),
    )


def _plainly(columns: tuple[str, ...]) -> str:
    names = [
        column.removesuffix("_code").replace("_", " ")
        for column in columns
        if column != "district_code"
    ]
    return " and ".join("first day" if name.endswith((" on", " from")) else name for name in names)
