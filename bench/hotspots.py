"""Measures the search for dense groups beside PostGIS's ST_ClusterDBSCAN.

Run with `python -m bench.hotspots`. Both get the same 100,000 points in one run, by turns, and must
give the same groups; each figure is the median of several runs. The points are stacked as reports
are: on some thousand addresses, a few of them with hundreds, and some strewn around their address.
PostGIS is measured without what it takes to send the points or the answer.

PostGIS measures on a plane, and we on the ground. So that both must agree on each pair, the points
are at the equator, where a plane of 10 km is true to a millionth, and on half metres, no two of
which are as far apart as the radius.
"""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg
from numpy.typing import NDArray

from gridmap.geo.checks import metres_per_degree
from gridmap.geo.density import centres, dense_groups, outlines
from gridmap.store.cluster import private_cluster

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]

_RUNS = 5
_POINTS = 100_000
_ADDRESSES = 8_000
_RADIUS = math.sqrt(4 * 80**2 + 0.5) / 2
_LEAST = 5
_HERE = (130.0, 0.0)
_LAYOUTS = (
    ("a city, all at addresses", 10_000.0, 0.0),
    ("a city, a third strewn", 10_000.0, 1 / 3),
    ("a square km, all at addresses", 1_000.0, 0.0),
    ("a square km, a third strewn", 1_000.0, 1 / 3),
)
# A table that is read only once: the groups are made, and then counted.
_GROUPS = """
    SELECT {answer}
    FROM (
        SELECT i, ST_ClusterDBSCAN(point, %s, %s) OVER (ORDER BY i) AS number FROM points
    ) AS grouped
"""


def main() -> None:
    """Print the table."""
    print(
        f"{'100,000 points on':<30} {'positions':>9} {'groups':>6} {'ms':>7} {'outlines ms':>11} "
        f"{'PostGIS ms':>10} {'×':>5}"
    )
    with tempfile.TemporaryDirectory(prefix="gridmap-bench-") as folder:
        Path(folder).chmod(0o755)  # the cluster's user must enter it where this user is root
        with (
            private_cluster(Path(folder) / "cluster", durable=False) as url,
            psycopg.connect(url) as connection,
        ):
            connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")
            for layout, side, strewn in _LAYOUTS:
                _compare(connection, layout, _stacked(side, strewn))


def _compare(connection: psycopg.Connection, layout: str, metres: Floats) -> None:
    points = metres / np.column_stack(metres_per_degree(_HERE[1])) + _HERE
    _load(connection, metres)
    groups = dense_groups(points, _RADIUS, _LEAST)
    if (groups != _by_postgis(connection)).any():
        raise AssertionError("Two ways gave different groups.")
    ours, shapes, theirs = [], [], []
    for _ in range(_RUNS):
        began = time.perf_counter()
        dense_groups(points, _RADIUS, _LEAST)
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        outlines(points, groups, _RADIUS)
        centres(points, groups)
        shapes.append(time.perf_counter() - began)
        began = time.perf_counter()
        connection.execute(_GROUPS.format(answer="count(number)"), (_RADIUS, _LEAST)).fetchone()
        theirs.append(time.perf_counter() - began)
    mine, outlined, postgis = (1e3 * statistics.median(runs) for runs in (ours, shapes, theirs))
    positions = len(np.unique(metres, axis=0))
    print(
        f"{layout:<30} {positions:>9,} {groups.max() + 1:>6,} {mine:>7.0f} {outlined:>11.0f} "
        f"{postgis:>10,.0f} {postgis / mine:>5.0f}"
    )


def _stacked(side: float, strewn: float) -> Floats:
    """Metres east and north: addresses with few reports and with many, as towns have."""
    random = np.random.default_rng(1)
    addresses = random.uniform(-side / 2, side / 2, (_ADDRESSES, 2))
    share = random.pareto(1.1, _ADDRESSES) + 0.2
    share = np.minimum(share / share.sum(), 0.008)
    metres = addresses[random.choice(_ADDRESSES, _POINTS, p=share / share.sum())]
    off = random.random(_POINTS) < strewn
    metres[off] += random.normal(0, 8, (int(off.sum()), 2))
    halves: Floats = np.rint(2 * metres) / 2
    return halves


def _load(connection: psycopg.Connection, metres: Floats) -> None:
    connection.execute("DROP TABLE IF EXISTS points")
    connection.execute("CREATE TABLE points (i int PRIMARY KEY, point geometry)")
    connection.execute(
        "INSERT INTO points SELECT i, ST_Point(east, north) FROM "
        "unnest(%s::float8[], %s::float8[]) WITH ORDINALITY AS given (east, north, i)",
        (metres[:, 0].tolist(), metres[:, 1].tolist()),
    )
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE points")
    connection.autocommit = False


def _by_postgis(connection: psycopg.Connection) -> Numbers:
    """Its groups, numbered by their first points as ours are."""
    statement = _GROUPS.format(answer="coalesce(number, -1)") + "ORDER BY i"
    rows = connection.execute(statement, (_RADIUS, _LEAST)).fetchall()
    given: Numbers = np.array(rows, dtype=np.intp)[:, 0]
    inside = given >= 0
    _, first, which = np.unique(given[inside], return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.intp)
    number[np.argsort(first)] = np.arange(len(first))
    groups = np.full(len(given), -1, dtype=np.intp)
    groups[inside] = number[which]
    return groups


if __name__ == "__main__":
    main()
