"""Outlines as they are edited in the planners' map: what becomes of the ground, by shapely."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely.affinity import rotate, scale, translate
from shapely.ops import split

from gridmap.geo.areas import areas_m2
from gridmap.store import boundary_cases, boundary_changes, boundary_plans
from gridmap.store.boundary_contents import WarningCode
from tests.web.nodes import answers

METRES = 111_000.0
WEST, SOUTH = 130.28, 47.36
Shapes = dict[str, Any]


@pytest.fixture(scope="module")
def edited(built: Path) -> Callable[..., list[Any]]:
    """What the editor's own code makes of it, a question a line."""
    assert built.is_dir()

    return partial(answers, "outlines.mjs")


def asked(grids: Shapes, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "grids": [{"code": code, "outline": geojson(each)} for code, each in grids.items()],
        "steps": list(steps),
    }


def geojson(shape: Any) -> Any:
    return json.loads(shapely.to_geojson(shape))


def shapes(state: dict[str, Any]) -> Shapes:
    """What a state of the sheet shows, without what has ended."""
    return {
        each["code"]: shapely.from_geojson(json.dumps(each["outline"]))
        for each in state["sheet"]
        if each["outline"]
    }


def on_the_map(shape: Any) -> Any:
    """A drawing in metres at its place on the earth."""
    across = 1 / METRES / np.cos(np.radians(SOUTH))
    return translate(scale(shape, across, 1 / METRES, origin=(0, 0)), WEST, SOUTH)


def tiling(random: np.random.Generator, count: int) -> Shapes:
    """Cells of some 100 metres that fill a square, each with its corners to itself."""
    points = shapely.multipoints(random.uniform(0, 400, (count, 2)))
    square = shapely.box(0, 0, 400, 400)
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=square))
    return {
        f"{i}": on_the_map(rotate(shapely.intersection(cell, square), 17, origin=(0, 0)))
        for i, cell in enumerate(cells)
    }


def lopsided() -> Shapes:
    """Two small grids below a large one, whose corners are on its edge and none of its own."""
    boxes = {"a": (0, 100, 200, 200), "b": (0, 0, 90, 100), "c": (90, 0, 200, 100)}
    return {
        code: on_the_map(rotate(shapely.box(*bounds), 17, origin=(0, 0)))
        for code, bounds in boxes.items()
    }


def areas(grids: Shapes) -> NDArray[np.float64]:
    return areas_m2(list(grids.values()))


def is_tiled(grids: Shapes, ground: Any) -> bool:
    """Whether the grids are valid, and have the ground once: none is left, none had twice."""
    every = list(grids.values())
    union = shapely.union_all(every)
    off = _area(shapely.symmetric_difference(union, ground))
    twice = float(areas(grids).sum()) - _area(union)
    return bool(shapely.is_valid(every).all()) and off < 0.01 and abs(twice) < 0.01


def _area(shape: Any) -> float:
    parts = shapely.get_parts(shape)
    return float(areas_m2(list(parts[shapely.get_dimensions(parts) == 2])).sum())


def test_whatever_is_done_to_corners_and_grids_no_ground_is_lost_or_had_twice(
    edited: Callable[..., list[Any]],
) -> None:
    random = np.random.default_rng(11)
    questions, grounds = [], []
    for _ in range(12):
        grids = tiling(random, 14)
        ground = shapely.union_all(list(grids.values()))
        inner = [
            each
            for each in np.unique(shapely.get_coordinates(list(grids.values())), axis=0)
            if shapely.distance(shapely.boundary(ground), shapely.Point(each)) > 10 / METRES
        ]
        steps: list[dict[str, Any]] = []
        for corner in random.permutation(inner)[:6]:
            # Not so far that anything crosses.
            others = [each for each in inner if (each != corner).any()]
            room = shapely.distance(shapely.Point(corner), shapely.MultiPoint(others)) / 4
            to = (corner + random.uniform(-room, room, 2) / 2).tolist()
            steps.append({"deed": "move", "from": corner.tolist(), "to": to})
        first, second = (str(each) for each in random.choice(14, 2, replace=False))
        for code in (first, second):
            middle = shapely.get_coordinates(grids[code].centroid)[0]
            aside = random.uniform(-1, 1, 2) * 0.004
            line = [(middle - aside).tolist(), (middle + aside).tolist()]
            steps.append({"deed": "split", "code": code, "line": line, "name": "新"})
        steps += [{"deed": "beside", "code": first}, {"deed": "undo"}, {"deed": "redo"}]
        steps.append({"deed": "renew"})
        questions.append(asked(grids, *steps))
        grounds.append(ground)
    played = edited(*questions)
    # And then everything is put together, one after the other.
    again = [
        {**question, "steps": [*question["steps"][:8], *_merges(states[8])]}
        for question, states in zip(questions, played, strict=True)
    ]
    for ground, states, merging in zip(grounds, played, edited(*again), strict=True):
        for state in [*states[:9], *merging]:
            assert "problem" not in state
            assert is_tiled(shapes(state), ground)
        assert len(shapes(states[8])) == 16
        assert states[10]["sheet"] == states[7]["sheet"]
        assert states[11]["sheet"] == states[8]["sheet"]
        assert set(states[12]["changed"]) == set(states[8]["changed"])
        assert is_tiled(shapes(states[12]), ground)
        assert len(shapes(merging[-1])) == 1
        assert len(states[9]) >= 2


def _merges(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Each grid into one that shares a stretch of border with it, until one is left."""
    grids = shapes(state)
    steps = []
    while len(grids) > 1:
        code = min(grids, key=lambda each: shapely.area(grids[each]))
        lengths = {
            each: shapely.length(shapely.intersection(grids[code], grids[each]))
            for each in grids
            if each != code
        }
        into = max(lengths, key=lambda each: lengths[each])
        grids[into] = shapely.union(grids[into], grids.pop(code))
        steps.append({"deed": "merge", "code": into, "others": [code]})
    return steps


def test_a_corner_on_the_edge_of_another_grid_moves_that_edge_along(
    edited: Callable[..., list[Any]],
) -> None:
    grids = lopsided()
    ground = shapely.union_all(list(grids.values()))
    shared = shapely.get_coordinates(grids["b"])
    corner = min(
        shared.tolist(), key=lambda each: -shapely.Point(each).distance(shapely.boundary(ground))
    )
    to = [corner[0] + 10 / METRES, corner[1] + 12 / METRES]
    below = [corner[0], corner[1] - 30 / METRES]
    (states,) = edited(
        asked(
            grids,
            {"deed": "move", "from": corner, "to": to},
            {"deed": "remove", "place": to},
            {"deed": "undo"},
            {"deed": "undo"},
            {"deed": "move", "from": corner, "to": to, "along": "b"},
            {"deed": "undo"},
            {"deed": "snap", "place": below, "reach": 40, "held": None},
        )
    )
    assert states[1]["changed"] == ["a", "b", "c"]
    assert is_tiled(shapes(states[1]), ground)
    # Three borders meet there: it can be moved and not taken away.
    assert states[2]["problem"] == "bordersMeet"
    # Undone, nothing is changed, though the large grid has a corner more than it came with.
    assert states[3]["changed"] == []
    assert states[5]["changed"] == ["b"]
    assert states[-1] == {"place": corner, "onto": "corner"}


def test_a_line_cuts_a_grid_as_shapely_does_and_one_that_cannot_says_why(
    edited: Callable[..., list[Any]],
) -> None:
    random = np.random.default_rng(5)
    grids = tiling(random, 9)
    questions, expected = [], []
    for code in grids:
        middle = shapely.get_coordinates(grids[code].centroid)[0]
        bend = middle + random.uniform(-8, 8, 2) / METRES
        away = np.array([0.004, 0.001]) * random.choice([-1, 1], 2)
        line = shapely.linestrings([bend - away, bend, bend + away * [1, -1]])
        parts = shapely.get_parts(split(grids[code], line))
        if len(parts) != 2:
            continue
        step = {
            "deed": "split",
            "code": code,
            "line": shapely.get_coordinates(line).tolist(),
            "name": "新网格",
        }
        questions.append(asked(grids, step, {"deed": "swap", "one": code, "other": "#1"}))
        expected.append(sorted(parts, key=shapely.area))
    assert len(expected) >= 6
    for (small, large), question, states in zip(
        expected, questions, edited(*questions), strict=True
    ):
        code = question["steps"][0]["code"]
        for state, kept, given in ((states[1], large, small), (states[2], small, large)):
            found = shapes(state)
            for one, other in ((found[code], kept), (found["#1"], given)):
                assert _area(shapely.symmetric_difference(one, other)) < 0.01
            assert set(state["changed"]) == {code, "#1"}

    inside = shapely.get_coordinates(grids["0"].centroid)[0]
    lines = {
        "lineEndsWithin": [inside.tolist(), (inside + np.array([0.01, 0])).tolist()],
        "lineMissesGrid": [[131, 48], [131.1, 48]],
    }
    refused = edited(
        *(
            asked(grids, {"deed": "split", "code": "0", "line": line, "name": "新"})
            for line in lines.values()
        )
    )
    assert [states[1]["problem"] for states in refused] == list(lines)


def test_where_a_grid_is_drawn_others_give_way_and_what_nothing_is_left_of_ends(
    edited: Callable[..., list[Any]],
) -> None:
    grids = lopsided()
    drawn = on_the_map(rotate(shapely.box(60, -10, 210, 130), 17, origin=(0, 0)))
    draw = {"deed": "draw", "code": None, "name": "新", "outline": geojson(drawn)}
    piece = shapely.intersection(drawn, grids["a"])
    (states,) = edited(
        asked(
            grids,
            {**draw, "giveWay": True},
            {"deed": "end", "code": "#1"},
            {"deed": "give", "code": "a", "piece": geojson(piece)},
            {"deed": "undo"},
            {"deed": "undo"},
            {"deed": "undo"},
            {**draw, "giveWay": False},
            {"deed": "write"},
        )
    )
    after = shapes(states[1])
    assert set(after) == {"a", "b", "#1"}
    for code in ("a", "b"):
        rest = shapely.difference(grids[code], drawn)
        assert _area(shapely.symmetric_difference(after[code], rest)) < 0.01
    ground = shapely.union_all([*grids.values(), drawn])
    assert is_tiled(after, ground)
    assert set(states[1]["changed"]) == {"a", "b", "c", "#1"}

    given = shapes(states[3])
    assert _area(shapely.symmetric_difference(given["a"], grids["a"])) < 0.01

    over = shapes(states[7])
    assert states[7]["changed"] == ["#1"]
    assert _area(shapely.intersection(over["b"], over["#1"])) > 1_000
    # What is written is read again, here and elsewhere.
    (read,) = edited({"text": states[8]})
    assert [each["code"] for each in read] == ["a", "b", "c", None]
    assert [each["name"] for each in read] == ["a", "b", "c", "新"]


def test_what_is_no_outline_is_said_with_its_place(edited: Callable[..., list[Any]]) -> None:
    random = np.random.default_rng(3)
    rings = WEST + random.uniform(0, 1, (200, 5, 2)) / 100 + [0, SOUTH - WEST]
    polygons = [shapely.Polygon(ring) for ring in rings]
    stars = [each for each in polygons if shapely.area(each) > 0]
    (crossed,) = edited({"crossings": [geojson(each) for each in stars]})
    assert [each is None for each in crossed] == shapely.is_valid(stars).tolist()
    assert 20 < sum(each is None for each in crossed) < 180

    square = geojson(shapely.box(130.28, 47.36, 130.29, 47.37))
    turned = geojson(shapely.box(47.36, 130.28, 47.37, 130.29))
    bow = {
        "type": "Polygon",
        "coordinates": [[[130, 47], [130.1, 47.1], [130.1, 47], [130, 47.1], [130, 47]]],
    }
    texts = {
        "{": "noJson",
        "[1]": "noOutlines",
        json.dumps({"type": "Point", "coordinates": [130, 47]}): "noPolygon",
        json.dumps(turned): "latitudeFirst",
        json.dumps(geojson(shapely.box(2, 48, 3, 49))): "notInChina",
        json.dumps(bow): "crossesItself",
    }
    answers = edited(*({"text": text} for text in texts), {"text": json.dumps(square)})
    assert [each["problem"] for each in answers[:-1]] == list(texts.values())
    assert answers[-2]["place"] == pytest.approx([130.05, 47.05])
    assert [each["code"] for each in answers[-1]] == [None]


def test_what_the_server_says_of_a_plan_is_said_in_chinese_too(
    edited: Callable[..., list[Any]],
) -> None:
    # All that it may say, so that nothing new stays English unseen.
    named = {"grid": "1", "community": "2", "building": "3", "workerName": "王", "sponsor": "4"}
    warned = [
        {"code": code, "message": "In English.", "area": area, "buildings": 7, **named}
        for code in WarningCode
        for area in (0.4567, 12345.6)
    ]
    # What it refuses for is read from its own source.
    refusing: list[Callable[..., Any]] = [
        boundary_plans.check_start,
        boundary_plans.refused,
        boundary_changes.apply,
        boundary_changes._check_unchanged,
        boundary_changes._lock,
        boundary_cases._held,
        boundary_cases._refuse_later,
        boundary_cases._district,
    ]
    reasons = [each for function in refusing for each in _reasons(function)]
    assert len(reasons) >= 12
    begins = {"reason": "HAS_VERSION", "grid": "2", "begins": "2026-03-01"}
    kinds = [each[2] for each in boundary_changes._NAMES]
    reasons += [
        {"reason": "PLAN_CHANGED", "changes": [{"what": what, "code": code, "how": "NEW"}]}
        for what in (*kinds, "PLAN")
        for code in ("1", None)
        if code or what not in ("BUILDING", "WORKER")
    ]
    reasons.append({"reason": "PLAN_CHANGED", "because": begins})
    chinese, why = edited({"warned": warned}, {"reasons": reasons})
    other = [said for said, each in zip(chinese, warned, strict=True) if each["code"] == "OTHER"]
    assert other == ["In English.", "In English."]
    told = [each for each in chinese if each not in other]
    assert [each for each in told if re.search("[A-Za-z]", each.replace(" m²", ""))] == []
    assert "<1>将超出社区 2 的范围 0.457 m²。" in told
    assert "<1>将超出社区 2 的范围 12,346 m²。" in told
    assert [each for each in why if not each or re.search("[A-Za-z]", each)] == []
    assert "<2>在 2026-03-01 已有一次变更" in why[-1]


def _reasons(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """What each refusal of a function tells programs, something in place of each value."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    made = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Invalid", "NotFound", "Conflict", "Forbidden", "Unavailable")
    ]
    assert made
    return [
        {
            keyword.arg or "": keyword.value.value if keyword.arg == "reason" else "1"  # type: ignore[attr-defined]
            for keyword in each.keywords
        }
        for each in made
    ]
