"""What codes look like, and what the standard ones say about where a thing belongs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gridmap.geo.problems import Kind
from gridmap.store.imports.columns import Rows
from gridmap.store.imports.run import Run
from gridmap.store.tables import REGION_LEVELS

DISTRICT_DIGITS = 6
COMMUNITY_DIGITS = 12

DIGITS_OF_REGIONS = dict(zip((2, 4, 6, 9, 12), REGION_LEVELS, strict=True))
"""The level of a region by the number of its code's digits."""

PARENT_DIGITS = {4: 2, 6: 4, 9: 6, 12: 9}


def refuse_other_than_digits(run: Run, rows: Rows, digits: Sequence[int], meaning: str) -> None:
    """Refuses, and takes out of `rows`, standard codes of a wrong number of digits."""
    for i, code in enumerate(rows.codes):
        if code is not None and not (len(code) in digits and code.isascii() and code.isdigit()):
            allowed = ", ".join(map(str, digits[:-1])) + f" or {digits[-1]}"
            run.refuse(
                rows.numbers[i],
                code,
                Kind.BAD_CODE,
                f"“{code}” has {_described(code)}; {meaning}",
                f"Give a code of {allowed.removeprefix(' or ')} digits, "
                "or import with --code-scheme free.",
            )
            rows.codes[i] = None


def refuse_unfit(run: Run, rows: Rows, longest: int = 64) -> None:
    """Refuses, and takes out of `rows`, free codes that are too long or hold a blank."""
    fit = re.compile(rf"\S{{1,{longest}}}")
    for i, code in enumerate(rows.codes):
        if code is not None and not (fit.fullmatch(code) and code.isprintable()):
            run.refuse(
                rows.numbers[i],
                code[:longest],
                Kind.BAD_CODE,
                f"“{code[:longest]}” is no code: it has {len(code)} characters, blanks among them "
                "or some that cannot be seen"
                if len(code) <= longest
                else f"a code of {len(code)} characters is too long",
                f"Give a code of 1 to {longest} characters without blanks.",
            )
            rows.codes[i] = None


def refuse_other_community(run: Run, rows: Rows) -> None:
    """Refuses standard codes of grids and buildings whose row names a community they are not in.

    Many files have the community's name there instead, which says nothing that the code does not.
    """
    named = rows.values["community"]
    for i, code in enumerate(rows.codes):
        community = named[i] or ""
        if code is not None and community.isdigit() and not code.startswith(community):
            run.refuse(
                rows.numbers[i],
                code,
                Kind.UNKNOWN_PARENT,
                f"the row names community {named[i]}, but the code lies in "
                f"{code[:COMMUNITY_DIGITS]}",
                "Correct the code or the community; a code begins with its community's.",
            )


def communities_of(run: Run, rows: Rows) -> tuple[list[str | None], list[str | None]]:
    """Community and district of grids and buildings.

    Standard codes begin with them. Free codes name a community or belong to the free region; the
    district is left to `settle_districts`.
    """
    if run.is_standard:
        communities = [code and code[:COMMUNITY_DIGITS] for code in rows.codes]
        return communities, [code and code[:DISTRICT_DIGITS] for code in rows.codes]
    free = run.options.free_region
    return [named or free for named in rows.values["community"]], [None] * len(rows.codes)


def settle_districts(run: Run) -> None:
    """Gives staged rows with free codes the district of their community, and makes the free region.

    Served by regions_pkey.
    """
    if run.is_standard:
        return
    run.sql(
        """
        INSERT INTO regions (code, name, level, district_code)
        SELECT :code, :name, 'DISTRICT', :code
        WHERE EXISTS (SELECT 1 FROM staged WHERE community_code = :code)
        ON CONFLICT (code) DO NOTHING
        """,
        code=run.options.free_region,
        name=run.path.stem,
    )
    run.sql(
        """
        UPDATE staged
        SET district_code = regions.district_code
        FROM regions
        WHERE regions.code = staged.community_code
        """
    )
    for row, code, community in run.sql(
        """
        SELECT file_row, staged.code, community_code
        FROM staged
        JOIN regions ON regions.code = staged.community_code
        WHERE staged.district_code IS NULL
        """
    ):
        run.refuse(
            row,
            code,
            Kind.UNKNOWN_PARENT,
            f"region {community} lies above any district",
            "Name a community, a street or a district.",
        )


def _described(code: str) -> str:
    if code.isascii() and code.isdigit():
        return f"{len(code)} digits"
    return f"{len(code)} characters that are not all digits"
