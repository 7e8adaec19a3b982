"""`make bench` runs every benchmark; `make bench ARGS="imports"` the named ones."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHMARKS = (
    "overlaps",
    "coverage",
    "coverage_query",
    "boundaries",
    "imports",
    "lookup",
    "clusters",
    "hotspots",
    "freshness",
    "serving",
    "report_maps",
    "tiles",
    "submissions",
    "costs",
)


def main() -> None:
    """Runs the benchmarks that are named, or all. Each prints its own table."""
    names = sys.argv[1:] or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"No benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    for name in names:
        import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
