"""Borders changed and days compared in the planners' map, in a real browser on the real server."""

from __future__ import annotations

import json
import math
import re
from datetime import date, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely
from playwright.sync_api import Browser, Page, expect
from pyproj import Geod
from shapely.ops import split

from gridmap.api.identity import Tokens
from gridmap.geo.areas import areas_m2
from gridmap.geo.datums import Datum, geometries_from_wgs84
from gridmap.store.dates import today
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server
from tests.waiting import wait_until
from tests.web.desks import Desk, desk
from tests.web.pages import WORDS

DISTRICT = "230402"
COMMUNITY = "230402001001"
DAY = timedelta(days=1)
METRES = 111_000.0
Grids = dict[str, Any]

APPLY = """
mutation ($input: ApplyBoundaryChangeInput!) {
  applyBoundaryChange(input: $input) { grids { code } }
}
"""
PLAN = """
mutation ($input: PlanBoundaryChangeInput!) { planBoundaryChange(input: $input) { id obstacles } }
"""


@pytest.fixture(scope="module")
def office(tokens: Tokens) -> str:
    return tokens.issue(Viewer(Role.DISTRICT, "区民政局", frozenset([DISTRICT])), DAY)


def test_a_corner_dragged_on_the_map_gives_its_ground_to_the_other_grid(
    browser: Browser, server: Server, demo_url: str, office: str
) -> None:
    grids = outlines(demo_url)
    code, other, corner = shared_corner(grids, f"{COMMUNITY}004")
    # Into the other grid, so far that there is ground in between, and nothing is crossed.
    inward = np.array(grids[other].centroid.coords[0]) - corner
    to = corner + inward / np.hypot(*inward) * 20 / METRES
    taken = shapely.difference(moved(grids[code], corner, to), grids[code])
    point = taken.representative_point()
    assert located(server, point) == other

    with desk(browser, server.address, office) as held:
        # 1. The grid is chosen on the map, and its corner dragged.
        page = open_editor(held, grids[code].centroid, 17)
        before = page.evaluate(_AT)
        click(page, grids[code].centroid)
        is_there(page, before)
        expect(page.locator(".edit-name")).to_have_text(name_of(server, code))
        drag(page, corner, to)
        expect(page.locator(".edit-change")).to_have_count(2)
        held.picture("desk-edit")
        held.is_for_everybody()

        # 2. It is planned from today on, and shown in words and figures before it holds.
        begin_today(page)
        page.get_by_role("button", name="看看会怎样").click()
        expect(page.get_by_text("可以生效")).to_be_visible()
        plan = page.locator(".edit-plan ~ *")
        expect(plan.filter(has_text="→").first).to_contain_text(
            f"{name_of(server, other)} → {name_of(server, code)}"
        )
        assert located(server, point) == other
        held.is_for_everybody()

        # 3. Applied, it holds: for whoever asks, and in the history with who and why.
        page.get_by_label("原因").fill("按道路调整")
        page.get_by_role("button", name="生效").click()
        expect(page.get_by_text("已生效")).to_be_visible()
        expect(page.locator(".edit-change")).to_have_count(0)
        held.is_for_everybody()
    is_located(server, point, code)
    assert (history(server, code)[0]["author"], history(server, code)[0]["reason"]) == (
        "区民政局",
        "按道路调整",
    )
    # As near as a mouse can be put, and neither has ground that the other has.
    now = outlines(demo_url)
    assert metres2(now[code], moved(grids[code], corner, to)) < 0.1 * metres2(taken)
    assert metres2(now[other], moved(grids[other], corner, to)) < 0.1 * metres2(taken)
    assert (
        metres2(shapely.union(now[code], now[other]), shapely.union(grids[code], grids[other]))
        < 0.01
    )
    assert metres2(shapely.intersection(now[code], now[other])) < 0.01


def test_without_a_mouse_corners_are_moved_and_outlines_pasted_in_their_datum(
    browser: Browser, server: Server, demo_url: str, office: str
) -> None:
    grids = outlines(demo_url)
    code, other, corner = shared_corner(grids, f"{COMMUNITY}012")
    with desk(browser, server.address, office) as held:
        page = open_editor(held, grids[code].centroid, 16)
        page.get_by_placeholder("网格编码").focus()
        page.keyboard.type(code)
        page.keyboard.press("Enter")
        expect(page.locator(".edit-name")).to_have_text(name_of(server, code))

        # 1. Arrow keys move a corner by metres, all of it is one step, and can be undone.
        page.get_by_role("button", name="用键盘移动").focus()
        page.keyboard.press("PageDown")
        before = typed_place(page)
        for key in ("Shift+ArrowRight", "Shift+ArrowRight", "ArrowUp"):
            page.keyboard.press(key)
        east, north = off(before, typed_place(page))
        assert east == pytest.approx(20, abs=0.1)
        assert north == pytest.approx(1, abs=0.1)
        expect(page.locator(".edit-change").first).to_be_visible()
        page.keyboard.press("Control+z")
        expect(page.locator(".edit-change")).to_have_count(0)

        # 2. Both outlines are pasted as another map has them. Without its datum nothing is read.
        inward = np.array(grids[other].centroid.coords[0]) - corner
        to = corner + inward / np.hypot(*inward) * 40 / METRES
        wanted = {each: moved(grids[each], corner, to) for each in (code, other)}
        shifted = geometries_from_wgs84(np.array([*wanted.values()]), Datum.GCJ02)
        text = collection(dict(zip(wanted, shifted, strict=True)))
        page.get_by_role("radio", name="移边界").focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.get_by_text("粘贴或打开 GeoJSON").focus()
        page.keyboard.press("Enter")
        page.get_by_label("GeoJSON（").fill(text.replace('"type": "Polygon"', '"type": "Line"'))
        page.get_by_label("坐标系").focus()
        expect(page.get_by_role("button", name="用这些轮廓")).to_be_disabled()
        page.get_by_label("坐标系").select_option("GCJ-02")
        _press(page, "用这些轮廓")
        expect(page.get_by_role("alert")).to_contain_text("第 1 个不是 Polygon")
        held.is_for_everybody()
        # Nor where a grid is named that is none, or one twice; then nothing of it is taken.
        for instead, complaint in (("999", "999 不是那天的网格"), (code, f"{code} 写了两次")):
            page.get_by_label("GeoJSON（").fill(text.replace(other, instead))
            _press(page, "用这些轮廓")
            expect(page.get_by_role("alert")).to_contain_text(complaint)
            expect(page.locator(".edit-change")).to_have_count(0)
            expect(page.locator(".edit-name")).to_have_text(name_of(server, code))
        page.get_by_label("GeoJSON（").fill(text)
        _press(page, "用这些轮廓")
        expect(page.locator(".edit-change")).to_have_count(2)

        begin_today(page)
        _press(page, "看看会怎样")
        expect(page.get_by_text("可以生效")).to_be_visible()
        page.get_by_label("原因").fill("按实测轮廓")
        _press(page, "生效")
        expect(page.get_by_text("已生效")).to_be_visible()
    taken = shapely.difference(wanted[code], grids[code]).representative_point()
    is_located(server, taken, code)
    now = outlines(demo_url)
    assert [metres2(now[each], wanted[each]) < 1 for each in wanted] == [True, True]


def test_a_refused_drawing_is_kept_and_mended_and_a_grid_is_split_by_who_may(
    browser: Browser, server: Server, demo_url: str, office: str
) -> None:
    grids = outlines(demo_url)
    code, other, corner = shared_corner(grids, f"{COMMUNITY}008")
    inward = np.array(grids[other].centroid.coords[0]) - corner
    to = corner + inward / np.hypot(*inward) * 25 / METRES
    with desk(browser, server.address) as held:
        # 1. Who is not signed in draws, and is told who may do the rest.
        page = open_editor(held, grids[code].centroid, 17)
        choose(page, code)
        page.get_by_label("邻格的公共边一起动").uncheck()
        drag(page, corner, to)
        expect(page.locator(".edit-change")).to_have_count(1)
        expect(page.get_by_text("区级账号")).to_be_visible()
        expect(page.get_by_role("button", name="看看会怎样")).to_have_count(0)
        held.is_for_everybody()

        # 2. Another time it is still there; the server says what is wrong with it, and where.
        # The draft is kept a moment after the last change.
        page.wait_for_function(f"async () => (await ({WORDS})())['boundary-draft']")
        page.goto("about:blank")
        held.token = office
        open_editor(held, grids[code].centroid, 17)
        expect(page.get_by_text("已经恢复")).to_be_visible()
        page.get_by_role("button", name="看看会怎样").click()
        expect(page.get_by_text("还不能生效")).to_be_visible()
        expect(page.locator(".trouble")).to_contain_text(name_of(server, other))
        expect(page.get_by_role("button", name="生效", exact=True)).to_have_count(0)
        expect(page.locator(".edit-change")).to_have_count(1)
        held.is_for_everybody()
        page.locator(".edit-change").get_by_role("button", name="还原").click()
        expect(page.locator(".edit-change")).to_have_count(0)

        # 3. A line cuts the grid in two.
        west, south, east, north = grids[code].bounds
        line = [
            (west + (east - west) * 0.46, south - 1e-4),
            (west + (east - west) * 0.32, north + 1e-4),
        ]
        page.get_by_role("radio", name="切分").check()
        page.get_by_label("新网格名称").fill("第8网格西片")
        page.get_by_text("或输入线上各点").click()
        page.get_by_label("或输入线上各点").fill("\n".join(f"{x:.7f}, {y:.7f}" for x, y in line))
        page.get_by_role("button", name="画到图上").click()
        page.get_by_role("button", name="沿线切开").click()
        expect(page.locator(".edit-change")).to_have_count(2)
        begin_today(page)
        page.get_by_role("button", name="看看会怎样").click()
        expect(page.get_by_text("可以生效")).to_be_visible()
        expect(page.get_by_text("还没有网格员")).to_be_visible()
        held.picture("desk-plan")

        # 4. Meanwhile somebody else changes what it lies on: told, and planned anew by a click.
        with psycopg.connect(demo_url) as connection:
            connection.execute(
                "UPDATE buildings SET households = households + 1 WHERE code = ("
                " SELECT building.code FROM buildings AS building JOIN grids AS grid"
                " ON ST_Covers(grid.boundary, building.location)"
                " WHERE grid.code = %s AND grid.valid_to IS NULL LIMIT 1)",
                [code],
            )
        page.get_by_label("原因").fill("户数太多")
        page.get_by_role("button", name="生效", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("做计划之后又有变化")
        assert not re.search("[A-Za-z]{3}", page.get_by_role("alert").inner_text())
        expect(page.get_by_text("可以生效")).to_have_count(0)
        expect(page.locator(".edit-change")).to_have_count(2)
        held.is_for_everybody()
        page.locator(".edit-note").get_by_role("button", name="重新计算").click()
        expect(page.get_by_label("原因")).to_have_value("户数太多")
        page.get_by_role("button", name="生效", exact=True).click()
        expect(page.get_by_text("已生效")).to_be_visible()
        page.get_by_role("button", name="English").click()
        expect(page.get_by_text("Applied: the new borders hold from")).to_be_visible()
        held.is_for_everybody()
    parts = shapely.get_parts(split(grids[code], shapely.LineString(line)))
    now = outlines(demo_url)
    (new,) = set(now) - set(grids)
    small, large = sorted(parts, key=shapely.area)
    assert (metres2(now[code], large) < 1, metres2(now[new], small) < 1) == (True, True)
    assert new.startswith(COMMUNITY)


def test_two_days_are_compared_as_the_server_knows_them(
    browser: Browser, server: Server, demo_url: str, office: str
) -> None:
    grids = outlines(demo_url)
    code, other, _ = shared_corner(grids, "230402002006003")
    merged = {"from": today().isoformat(), "grids": [{"code": code, "together": [code, other]}]}
    plan = ask(server, office, PLAN, input={**merged, "ends": [other]})["planBoundaryChange"]
    ask(server, office, APPLY, input={"plan": plan["id"], "reason": "两网格合并"})
    is_located(server, grids[other].representative_point(), code)
    yesterday = (today() - DAY).isoformat()
    query = """
    query ($from: Date!, $to: Date!) {
      boundaryDifference(region: "230402", from: $from, to: $to) {
        areas { nodes { area gridBefore { name } gridAfter { name } } }
        grids { nodes { before { name } after { name } } }
      }
      before: coverage(region: "230402", on: $from) { gridCount grade { score } }
      after: coverage(region: "230402", on: $to) { gridCount grade { score } }
    }
    """
    told = server.ask(query, **{"from": yesterday, "to": today().isoformat()})
    difference = told["boundaryDifference"]

    with desk(browser, server.address) as held:
        page = held.open(f"panel=compare&region={DISTRICT}&compare={yesterday}")
        areas = page.locator(".compare-areas li")
        expect(areas).to_have_count(len(difference["areas"]["nodes"]))
        for row, each in zip(areas.all(), difference["areas"]["nodes"], strict=True):
            expect(row).to_contain_text(
                f"{each['gridBefore']['name']} → {each['gridAfter']['name']}"
            )
        rows = page.locator(".compare-grids li")
        names = {(each["after"] or each["before"])["name"] for each in difference["grids"]["nodes"]}
        assert {row.locator(".plain").inner_text() for row in rows.all()} == names
        first = page.locator(".compare-figures tbody tr").first
        counts = [told[when]["gridCount"] for when in ("before", "after")]
        expect(first.locator("td").nth(0)).to_have_text(str(counts[0]))
        expect(first.locator("td").nth(1)).to_have_text(str(counts[1]))

        # Each day is on its side of the divide, which keys move too.
        divide = page.locator(".swipe input")
        expect(page.locator(".swipe-day")).to_have_text([yesterday, today().isoformat()])
        expect(page.locator(".swipe-map canvas")).to_be_visible()
        before = page.locator(".swipe-line").bounding_box()
        divide.focus()
        page.keyboard.press("ArrowRight")
        expect(divide).to_have_value("51")
        after = page.locator(".swipe-line").bounding_box()
        assert before is not None
        assert after is not None
        assert after["x"] > before["x"]

        ended = rows.filter(has_text="撤销").filter(has_text=name_of(server, other, yesterday))
        ended.get_by_role("button", name="看沿革").click()
        card = page.locator(".edit-history")
        expect(card).to_contain_text(name_of(server, code))
        held.is_for_everybody()
        held.picture("desk-compare")
        rows.filter(has_text=name_of(server, code)).get_by_role("button").last.click()
        expect(card).to_contain_text("区民政局：两网格合并")


# --- a planner at a desk ----------------------------------------------------------------------


def test_a_finger_takes_and_moves_a_corner_and_two_move_the_map(
    browser: Browser, server: Server, demo_url: str
) -> None:
    grids = outlines(demo_url)
    code, other, corner = shared_corner(grids, f"{COMMUNITY}004")
    with desk(browser, server.address) as held:
        page = open_editor(held, grids[code].centroid, 16)
        choose(page, code)
        fingers = page.context.new_cdp_session(page)
        fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

        def touch(kind: str, *points: tuple[float, float]) -> None:
            places = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        # 1. Beside the corner, on the other grid, it takes the corner and not that grid.
        inward = np.array(pixel(page, grids[other].centroid.coords[0])) - pixel(page, corner)
        x, y = pixel(page, corner) + inward / np.hypot(*inward) * 14
        touch("touchStart", (x, y))
        touch("touchEnd")
        expect(page.locator(".edit-tool [role=status]")).to_contain_text("角点")

        # 2. A second finger makes it a pinch: the map is nearer, and the corner where it was.
        before = page.evaluate(_AT)
        x, y = pixel(page, corner)
        touch("touchStart", (x, y))
        touch("touchMove", (x + 6, y + 6))
        touch("touchStart", (x + 6, y + 6), (x + 60, y - 60))
        for step in range(1, 6):
            touch("touchMove", (x - 6 * step, y + 6 * step), (x + 60 + 6 * step, y - 60 - 6 * step))
        touch("touchEnd")
        is_there(page, before)
        assert float(page.evaluate(_AT).split(",")[2]) > float(before.split(",")[2])
        expect(page.locator(".edit-change")).to_have_count(0)

        # 3. One finger drags it, for both grids.
        x, y = pixel(page, corner)
        touch("touchStart", (x, y))
        for step in range(1, 6):
            touch("touchMove", (x + inward[0] / 20 * step, y + inward[1] / 20 * step))
        touch("touchEnd")
        expect(page.locator(".edit-change")).to_have_count(2)
        expect(page.locator(".edit-name")).to_have_text(name_of(server, code))


def open_editor(held: Desk, middle: Any, zoom: int) -> Page:
    """The boundary editor, the map around a point."""
    # The map jumps, so that one need not wait until it stands.
    held.page.emulate_media(reduced_motion="reduce")
    # Written as the page writes it, with the region that it would choose: what the address says of
    # the place is another only when the map has moved.
    at = f"{middle.x:.5f},{middle.y:.5f},{zoom:.2f}"
    page = held.open(f"at={at}&region={DISTRICT}&panel=edit")
    expect(page.locator(".edit")).to_be_visible()
    # Below the map, which is smaller with it.
    expect(page.locator(".time")).to_be_visible()
    return page


def choose(page: Page, code: str) -> None:
    before = page.evaluate(_AT)
    page.get_by_placeholder("网格编码").fill(code)
    page.get_by_role("button", name="选这个网格").click()
    is_there(page, before)


def is_there(page: Page, before: str) -> None:
    """Until the map has gone to the grid that was chosen."""
    expect(page.locator(".edit-name")).to_be_visible()
    page.wait_for_function(f"(before) => ({_AT})() !== before", arg=before)


_AT = "() => new URLSearchParams(location.hash.slice(1)).get('at')"


def begin_today(page: Page) -> None:
    page.get_by_label("从哪天起").fill(today().isoformat())
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")


def pixel(page: Page, place: Any) -> tuple[float, float]:
    """Where a place is in the window, by the Mercator projection and what the address says."""
    at = page.evaluate(_AT)
    longitude, latitude, zoom = map(float, at.split(","))
    box = page.locator(".map-canvas canvas").bounding_box()
    assert box is not None
    scale = 512 * 2**zoom / 360
    x = (place[0] - longitude) * scale
    y = (mercator(latitude) - mercator(place[1])) * scale
    return box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y


def mercator(latitude: float) -> float:
    return math.degrees(math.log(math.tan(math.radians(45 + latitude / 2))))


def click(page: Page, point: Any) -> None:
    page.mouse.click(*pixel(page, (point.x, point.y)))


def drag(page: Page, start: Any, end: Any) -> None:
    page.mouse.move(*pixel(page, start))
    page.mouse.down()
    # By steps, and free of what is near.
    page.keyboard.down("Alt")
    x, y = pixel(page, end)
    page.mouse.move(x - 5, y - 5, steps=4)
    page.mouse.move(x, y)
    page.mouse.up()
    page.keyboard.up("Alt")


def typed_place(page: Page) -> tuple[float, float]:
    return tuple(float(page.get_by_label(name).input_value()) for name in ("经度", "纬度"))  # type: ignore[return-value]


def off(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """Metres to the east and to the north, on the ellipsoid."""
    azimuth, _, metres = Geod(ellps="WGS84").inv(*start, *end)
    return metres * math.sin(math.radians(azimuth)), metres * math.cos(math.radians(azimuth))


def _press(page: Page, name: str) -> None:
    """By the keyboard: the button is focused and Enter pressed."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")


# --- what is there ----------------------------------------------------------------------------


def outlines(url: str, on: date | None = None) -> Grids:
    """The outline of each grid of the district, as PostGIS has it on a day."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT code, ST_AsBinary(boundary) FROM grids WHERE district_code = %s"
            " AND valid_from <= %s AND (valid_to IS NULL OR valid_to > %s)",
            [DISTRICT, on or today(), on or today()],
        ).fetchall()
    return {code: shapely.get_parts(shapely.from_wkb(wkb))[0] for code, wkb in rows}


def shared_corner(grids: Grids, code: str) -> tuple[str, str, Any]:
    """A corner in the middle of the border of a grid and one other, of nobody else."""
    owners: dict[tuple[float, float], set[str]] = {}
    for each, outline in grids.items():
        for corner in shapely.get_coordinates(outline).tolist():
            owners.setdefault(tuple(corner), set()).add(each)
    ring = [tuple(each) for each in shapely.get_coordinates(grids[code]).tolist()[:-1]]
    runs = [
        (i, next(iter(owners[corner] - {code})))
        for i, corner in enumerate(ring)
        if len(owners[corner]) == 2
    ]
    # Its neighbours on the ring are of the same two, so that nobody else's border is near.
    for i, other in runs:
        near = [owners[ring[(i + step) % len(ring)]] for step in (-1, 1)]
        if other[:12] == code[:12] and all({code, other} <= each for each in near):
            return code, other, np.array(ring[i])
    raise AssertionError(f"{code} shares no such corner")


def moved(outline: Any, corner: Any, to: Any) -> Any:
    def change(positions: Any) -> Any:
        found = (positions == corner).all(axis=1)
        return np.where(found[:, None], to, positions)

    return shapely.transform(outline, change)


def metres2(one: Any, other: Any = None) -> float:
    """Square metres of a shape, or of what only one of two has."""
    parts = shapely.get_parts(one if other is None else shapely.symmetric_difference(one, other))
    return float(areas_m2(list(parts[shapely.get_dimensions(parts) == 2])).sum())


def collection(grids: Grids) -> str:
    features = [
        {
            "type": "Feature",
            "properties": {"code": code},
            "geometry": json.loads(shapely.to_geojson(each)),
        }
        for code, each in grids.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features})


def located(server: Server, point: Any) -> str:
    query = "query ($point: PointInput!) { locate(point: $point) { grid { code } } }"
    asked = {"longitude": point.x, "latitude": point.y, "datum": "WGS84"}
    code: str = server.ask(query, point=asked)["locate"]["grid"]["code"]
    return code


def is_located(server: Server, point: Any, code: str) -> None:
    """Lookups and coverage of today are of memory, which hears of a change a moment later."""
    wait_until(lambda: located(server, point) == code)


def name_of(server: Server, code: str, on: str | None = None) -> str:
    query = "query ($code: String!, $on: Date) { grid(code: $code, on: $on) { name } }"
    name: str = server.ask(query, code=code, on=on)["grid"]["name"]
    return name


def history(server: Server, code: str) -> list[dict[str, Any]]:
    query = "query ($code: String!) { gridHistory(code: $code) { nodes { author reason } } }"
    nodes: list[dict[str, Any]] = server.ask(query, code=code)["gridHistory"]["nodes"]
    return nodes


def ask(server: Server, token: str, query: str, **variables: object) -> Any:
    answer = httpx.post(
        f"{server.address}/graphql",
        json={"query": query, "variables": variables},
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    ).json()
    assert "errors" not in answer, answer["errors"]
    return answer["data"]
