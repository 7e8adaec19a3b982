"""Bringing a district's own files into the database, with the care that its data needs.

`import_file` takes one file of one noun. What its columns may be called stands in `columns`; what
is checked and how it is merged, in the module of the noun.
"""

from __future__ import annotations

from gridmap.store.imports.options import (
    CodeScheme,
    Counts,
    ImportOptions,
    Noun,
    Progress,
    Report,
    Summary,
)
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
