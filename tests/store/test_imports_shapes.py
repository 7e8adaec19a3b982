"""When two outlines are the same, whoever wrote them down."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gridmap.store.imports.shapes import SAME_DEGREES, same_shapes
from tests.store.importing import Ring

rings = st.lists(
    st.floats(0.2, 1.0), min_size=4, max_size=12
).map(  # a star around a centre is always a simple ring
    lambda radii: [
        [
            130 + 0.01 * radius * float(np.cos(2 * np.pi * i / len(radii))),
            47 + 0.01 * radius * float(np.sin(2 * np.pi * i / len(radii))),
        ]
        for i, radius in enumerate(radii)
    ]
)


@given(ring=rings, turn=st.integers(0, 11), backwards=st.booleans(), seed=st.integers(0, 99))
def test_a_ring_is_the_same_wherever_it_begins_and_whichever_way_it_runs(
    ring: Ring, turn: int, backwards: bool, seed: int
) -> None:
    turn %= len(ring)
    turned = np.array(ring[turn:] + ring[:turn])[:: -1 if backwards else 1]
    jitter = np.random.default_rng(seed).uniform(-4e-10, 4e-10, turned.shape)

    assert same_shapes(
        np.array([shapely.Polygon(ring)]), np.array([shapely.Polygon(turned + jitter)])
    ).all()


@given(ring=rings, which=st.integers(0, 11), seed=st.integers(0, 99))
def test_a_ring_with_a_vertex_moved_by_a_centimetre_is_another(
    ring: Ring, which: int, seed: int
) -> None:
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    moved = np.array(ring)
    moved[which % len(ring)] += 1e-7 * np.array([np.cos(angle), np.sin(angle)])
    first, second = shapely.Polygon(ring), shapely.Polygon(moved)

    # Unless it slid along its own edge: then the borders are nowhere further apart than counts,
    # and no more can lie between them than a band of that width.
    slid = first.symmetric_difference(second).area <= SAME_DEGREES * first.length
    assert slid or not same_shapes(np.array([first]), np.array([second])).any()
