"""Bringing a district's own files into the database, with the care that its data needs.

`import_file` takes one file of one noun. What its columns may be called stands in `columns`; what
is checked and how it is merged, in the module of the noun.

It is loaded when it is first asked for: GDAL and Arrow come with it, some 70 MB that a server does
not need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridmap.store.imports.options import (
    CodeScheme,
    Counts,
    ImportOptions,
    Noun,
    Progress,
    Report,
    Summary,
)

if TYPE_CHECKING:
    from gridmap.store.imports.pipeline import import_file

__all__ = [
    "CodeScheme",
    "Counts",
    "ImportOptions",
    "Noun",
    "Progress",
    "Report",
    "Summary",
    "import_file",
]


def __getattr__(name: str) -> Any:
    if name != "import_file":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gridmap.store.imports.pipeline import import_file

    return import_file
