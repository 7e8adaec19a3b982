"""The planners' map as people use it, in a real browser on the real server."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import uuid
from typing import Any

import httpx
import pytest
import shapely
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Route as Asked
from shapely.geometry import shape
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gridmap.api.app import application
from gridmap.api.identity import Tokens
from gridmap.api.settings import Settings
from gridmap.store.database import tool_engine
from gridmap.store.dates import today
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server
from tests.api.serving import served
from tests.waiting import wait_until
from tests.web.desks import NARROW, decoded, desk
from tests.web.pages import subscriptions

HERE = "130.28700,47.36000"
MOVED = "230402001001004"
"""A grid whose outline is moved away from where it belongs, and whose worker has gone."""

STEPS = [[254, 227, 145], [254, 196, 79], [251, 154, 41], [204, 76, 2], [140, 45, 4]]
"""Of grids by how many reports they have, from few to many."""

LOCATE = """
query ($point: PointInput!) {
  locate(point: $point) {
    outcome grid { code name workers { name } community { name } }
    building { name } sponsor { code name }
  }
}
"""
RECEIVED = "query ($filter: ReportFilter) { reports(filter: $filter) { totalCount } }"


@pytest.fixture(scope="module", autouse=True)
def _furnished(demo_url: str) -> None:
    """In the district is a grid that is not where it should be, and that nobody walks."""
    engine = tool_engine(demo_url)
    with engine.begin() as connection:
        for statement in (
            "UPDATE grids SET boundary = ST_Translate(boundary, 0.0008, 0.0004) WHERE code = :code",
            "DELETE FROM worker_assignments WHERE grid_code = :code",
        ):
            connection.execute(text(statement), {"code": MOVED})
    engine.dispose()


@pytest.fixture(scope="module")
def office(tokens: Tokens) -> str:
    """The token of the district's office."""
    return tokens.issue(
        Viewer(Role.DISTRICT, subject="办公室", codes=frozenset({"230402"})),
        datetime.timedelta(days=1),
    )


def test_whoever_has_not_signed_in_sees_who_answers_and_what_nobody_covers(
    browser: Browser, server: Server
) -> None:
    with desk(browser, server.address) as held:
        # 1. The map begins where the grids are, and the figures where there is a choice.
        page = held.open()
        expect(held.layer("空白").locator(".keys-count")).to_have_text(re.compile(r"^\d+$"))
        assert held.view()["region"] == "2304"
        expect(held.layer("逐件上报")).to_have_count(0)
        held.is_for_everybody()

        # 2. Of each kind of what is wrong there are as many as the server says.
        held.open(f"at={HERE},15&region=230402&layers=regions,grids,buildings,gaps,overlaps,lacks")
        coverage = held.ask(
            '{ coverage(region: "230402") { gaps { totalCount } overlaps { totalCount }'
            " gridsWithoutWorker { totalCount } } }"
        )["coverage"]
        assert all(each["totalCount"] > 0 for each in coverage.values())
        for name, field in {"空白": "gaps", "重叠": "overlaps"}.items():
            count = held.layer(name).locator(".keys-count")
            expect(count).to_have_text(str(coverage[field]["totalCount"]))
        without = page.locator(".keys li", has_text="无网格员").locator(".keys-count")
        expect(without).to_have_text(str(coverage["gridsWithoutWorker"]["totalCount"]))
        held.picture("desk-coverage")

        # 3. Whose a building is can be told by colours that the legend explains.
        held.open("at=130.28700,47.34500,13.3&region=230402")
        page.locator(".layers").get_by_text("包保单位", exact=True).click()
        sponsors = held.ask('{ sponsors(region: "230402") { nodes { name buildingCount } } }')[
            "sponsors"
        ]["nodes"]
        most = max(sponsors, key=lambda each: each["buildingCount"])
        expect(page.locator(".keys .plain").first).to_have_text(most["name"])

        # 4. In the dark, and in English, too.
        page.get_by_role("button", name="深色").click()
        expect(page.locator("html")).to_have_class("dark")
        held.is_for_everybody()
        held.picture("desk-dark")
        page.get_by_role("button", name="English").click()
        expect(page.get_by_text("Layers and legend")).to_be_attached()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        held.picture("desk-en")


def test_a_click_asks_who_answers_there_and_leads_on(browser: Browser, server: Server) -> None:
    with desk(browser, server.address) as held:
        page = held.open("at=130.30348,47.35199,16&region=230402&layers=grids,buildings")
        held.click_middle()
        panel = page.locator("#panel")
        expect(panel.locator(".kicker")).to_be_visible()
        longitude, latitude = map(float, held.view()["pick"].removeprefix("point:").split(","))
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        found = held.ask(LOCATE, point=point)["locate"]
        assert found["outcome"] == "INSIDE"
        expect(panel.locator("h2")).to_have_text(found["grid"]["name"])
        expect(panel).to_contain_text(found["grid"]["workers"][0]["name"])
        expect(panel).to_contain_text(found["sponsor"]["name"])
        held.is_for_everybody()
        held.picture("desk-place")

        # To the sponsor, to a building of it, and back again.
        panel.get_by_role("button", name=found["sponsor"]["name"]).first.click()
        sponsor = held.ask(
            "query ($code: String!) { sponsor(code: $code) { householdCount"
            " buildings { nodes { name } } } }",
            code=found["sponsor"]["code"],
        )["sponsor"]
        expect(panel.locator("h2")).to_have_text(found["sponsor"]["name"])
        expect(panel.locator(".figures")).to_contain_text(str(sponsor["householdCount"]))
        buildings = panel.locator(".rows .plain")
        expect(buildings).to_have_text([each["name"] for each in sponsor["buildings"]["nodes"]])
        buildings.first.click()
        expect(panel.locator("h2")).to_have_text(sponsor["buildings"]["nodes"][0]["name"])
        page.go_back()
        expect(panel.locator("h2")).to_have_text(found["sponsor"]["name"])
        page.go_back()
        expect(panel.locator("h2")).to_have_text(found["grid"]["name"])
        page.go_forward()
        expect(panel.locator("h2")).to_have_text(found["sponsor"]["name"])


def test_the_map_goes_where_a_name_a_code_or_coordinates_say(
    browser: Browser, server: Server
) -> None:
    with desk(browser, server.address) as held:
        page = held.open(f"at={HERE},11&region=230402")
        search, options = page.get_by_role("combobox").first, page.locator(".search-list li")
        title = page.locator("#panel h2")

        search.fill("煤城社区 第8网格")
        expect(options.first).to_contain_text("230402002006008")
        held.is_for_everybody()
        search.press("Enter")
        expect(title).to_have_text("煤城社区第8网格")
        grid = shape(held.ask('{ grid(code: "230402002006008") { boundary } }')["grid"]["boundary"])
        page.wait_for_function("at => !location.hash.includes(at)", arg=HERE)
        expect(page.locator(".map")).to_be_visible()
        page.wait_for_function(
            """([west, south, east, north]) => {
                const [x, y] = new URLSearchParams(location.hash.slice(1)).get("at").split(",");
                return west < x && x < east && south < y && y < north;
            }""",
            arg=list(grid.bounds),
        )

        search.fill("S2304-01")
        expect(options).to_contain_text(["市审计局"])
        options.first.click()
        expect(title).to_have_text("市审计局")

        # Nobody can tell by the numbers which datum they are of: each is offered.
        search.fill("47.3600, 130.2870")
        expect(options).to_have_count(4)
        options.filter(has_text="BD09").click()
        expect(page).to_have_url(re.compile("pick=point"))
        point = {"longitude": 130.287, "latitude": 47.36, "datum": "BD09"}
        asked = "query ($point: PointInput!) { locate(point: $point) { point {longitude latitude}}}"
        true = held.ask(asked, point=point)["locate"]["point"]
        picked = [float(each) for each in held.view()["pick"].removeprefix("point:").split(",")]
        assert picked == pytest.approx([true["longitude"], true["latitude"]], abs=1e-6)
        # A click into the field that is focused still offers the others.
        expect(options).to_have_count(0)
        search.click()
        expect(options).to_have_count(4)


def test_what_could_not_be_had_is_said_in_chinese_and_asked_again(
    browser: Browser, server: Server
) -> None:
    with desk(browser, server.address, elsewhere="ERR_FAILED") as held:
        page = held.open(f"at={HERE},16&region=230402&layers=grids")
        search, status = page.get_by_role("combobox").first, page.locator(".search [role=status]")
        panel = page.locator("#panel")
        page.route("**/graphql", lambda route: route.abort())
        search.fill("煤城社区 第8网格")
        expect(status).to_contain_text("连不上服务器")
        held.click_middle()
        expect(panel.get_by_role("alert")).to_contain_text("连不上服务器")
        assert not re.search("[A-Za-z]{3}", panel.inner_text())
        held.is_for_everybody()

        # 1. By a button.
        gaps = page.locator(".layers section", has_text="空白")
        held.layer("空白").click()
        expect(gaps).to_contain_text("连不上服务器")
        page.unroute("**/graphql")
        gaps.get_by_role("button", name="再试").click()
        expect(held.layer("空白").locator(".keys-count")).to_have_text(re.compile(r"^\d+$"))
        panel.get_by_role("button", name="再试").click()
        expect(panel.locator(".kicker")).to_be_visible()
        search.click()
        expect(status).to_contain_text("连不上服务器")
        status.get_by_role("button", name="再试").click()
        expect(page.locator(".search-list li").first).to_contain_text("230402002006008")

        # 2. By itself, when the network is back.
        held.loses_the_network()
        search.fill("梧桐社区第3网格")
        expect(status).to_contain_text("连不上服务器")
        page.context.set_offline(False)
        expect(page.locator(".search-list li").first).to_contain_text("230402001001003")

        # 3. Nor is what the server says shown alone, which is English.
        page = held.open(f"at={HERE},16&region=nope&panel=figures&layers=grids")
        expect(panel.get_by_role("alert")).to_contain_text("没有")


def test_the_panel_tells_the_figures_of_the_region_that_is_chosen(
    browser: Browser, server: Server, office: str
) -> None:
    with desk(browser, server.address, office) as held:
        page = held.open(
            "at=130.28700,47.34500,13.3&region=230402&panel=figures&colour=reports"
            "&layers=regions,grids,clusters,hotspots"
        )
        panel = page.locator("#panel")

        def figures(region: str) -> dict[str, str]:
            told = held.ask(
                "query ($region: String!) { coverage(region: $region) { gridCount buildingCount"
                " grade { score letter } } reportFigures(filter: { region: $region })"
                " { received open overdue } }",
                region=region,
            )
            coverage, (reports,) = told["coverage"], told["reportFigures"]
            return {
                "得分": f"{round(coverage['grade']['score'], 1):g}",
                "网格": str(coverage["gridCount"]),
                "楼栋": str(coverage["buildingCount"]),
                "收到": str(reports["received"]),
                "在办": str(reports["open"]),
                "超时": str(reports["overdue"]),
            }

        for region, name in {"230402": "向阳区", "230402002": "红军街道"}.items():
            if region != "230402":
                # By the tree, from the province down.
                page.get_by_role("button", name="选择区域").click()
                page.get_by_role("tree").get_by_text("向阳区").click()
                page.locator(".el-tree-node__expand-icon").nth(2).click()
                page.get_by_role("tree").get_by_text(name).click()
                held.is_for_everybody()
            expect(panel.locator("h2")).to_have_text(name)
            for word, value in figures(region).items():
                term = panel.locator(".figures > div", has=page.get_by_text(word, exact=True)).first
                expect(term.locator("dd")).to_have_text(value)
            if region == "230402":
                # The colours of the legend are those of the map, through which the ground shows.
                page.wait_for_function(_HOLDS, arg=STEPS)
                held.picture("desk-figures")
        # The day before, there were other grids or the same; the panel asks for that day.
        page.locator(".day input").fill("2024-06-01")
        page.keyboard.press("Enter")
        expect(panel.locator(".day p")).to_contain_text("2024")
        assert held.view()["on"] == "2024-06-01"


def test_whoever_signs_in_is_not_given_what_was_asked_as_nobody(
    browser: Browser, server: Server, office: str
) -> None:
    with desk(browser, server.address, office) as held:
        waiting: dict[str, list[Asked]] = {"Viewer": [], "ReportFiguresOf": []}

        def pass_on(route: Asked) -> None:
            asked = json.loads(route.request.post_data or "{}").get("operationName")
            if asked in waiting and (asked == "Viewer" or not _is_signed(route)):
                waiting[asked].append(route)
            else:
                route.continue_()

        held.page.route("**/graphql", pass_on)
        page = held.open("at=130.28700,47.34500,13.3&region=230402&panel=figures")
        held.wait_until(lambda: all(waiting.values()))
        # Who it is is known while nobody's question is on its way still.
        for route in waiting["Viewer"]:
            route.continue_()
        expect(page.get_by_role("button", name="退出")).to_be_visible()
        for route in waiting["ReportFiguresOf"]:
            route.continue_()
        expect(page.locator("#panel").get_by_text("收到", exact=True)).to_be_visible()


def _is_signed(route: Asked) -> bool:
    return "authorization" in route.request.headers


def test_days_and_category_choose_which_reports_are_shown(
    browser: Browser, server: Server, office: str
) -> None:
    with desk(browser, server.address, office) as held:
        page = held.open("at=130.28700,47.34500,11&region=230402&colour=reports")
        count = held.layer("上报聚合").locator(".keys-count")

        def received(**filter: object) -> str:
            return str(held.ask(RECEIVED, filter=filter)["reports"]["totalCount"])

        everything = received()
        expect(count).to_have_text(everything)

        # 1. From ten days ago on, by the keyboard on the line of days.
        page.get_by_role("slider").first.focus()
        page.keyboard.press("End")
        for _ in range(10):
            page.keyboard.press("ArrowLeft")
        since = today() - datetime.timedelta(days=10)
        expect(page.locator(".time-words")).to_contain_text(f"{since.month}月{since.day}日")
        lately = received(since=f"{since}T00:00:00+08:00")
        assert int(lately) < int(everything)
        expect(count).to_have_text(lately)

        # 2. And of one category.
        page.get_by_label("上报类别").select_option("01")
        chosen = received(since=f"{since}T00:00:00+08:00", category="01")
        assert int(chosen) < int(lately)
        expect(count).to_have_text(chosen)
        held.is_for_everybody()

        # 3. A link brings all of it back, to whoever may see it.
        page.get_by_role("button", name="复制链接").click()
        expect(page.get_by_text("链接已复制")).to_be_visible()
        link = page.evaluate("navigator.clipboard.readText()")
        with desk(browser, server.address, office) as other:
            copy = other.open(link.partition("#")[2])
            expect(other.layer("上报聚合").locator(".keys-count")).to_have_text(chosen)
            expect(copy.locator(".time-words")).to_have_text(
                page.locator(".time-words").inner_text()
            )
            assert other.view() == held.view()

        # 4. Played, the days go by.
        page.get_by_role("button", name="全部", exact=True).click()
        page.get_by_role("button", name="播放").click()
        seen = {page.locator(".time-words").inner_text()}
        for _ in range(2):
            page.wait_for_function(
                "seen => !seen.includes(document.querySelector('.time-words').innerText)",
                arg=list(seen),
            )
            seen.add(page.locator(".time-words").inner_text())
        page.get_by_role("button", name="暂停").click()


def test_whoever_is_told_of_some_reports_alone_is_told_so_and_has_the_publics_map_too(
    browser: Browser, server: Server, tokens: Tokens
) -> None:
    community = Viewer(Role.COMMUNITY, subject="社区", codes=frozenset({"230402002006"}))
    view = "at=130.28700,47.34500,11&region=230402&panel=figures"
    with desk(browser, server.address) as held:
        held.open(view)
        count = held.layer("上报聚合").locator(".keys-count")
        expect(count).to_have_text(re.compile(r"^\d+$"))
        public = count.inner_text()
    with desk(browser, server.address, tokens.issue(community, datetime.timedelta(1))) as held:
        page = held.open(view)
        panel, count = page.locator("#panel"), held.layer("上报聚合").locator(".keys-count")
        own = held.ask("{ reports { totalCount } }")["reports"]["totalCount"]
        assert 0 < own < int(public)
        expect(count).to_have_text(str(own))
        expect(page.locator(".legend")).to_contain_text("只计您能看到的上报")
        expect(panel).to_contain_text("只计您能看到的上报，不是全区域的")
        page.locator(".legend").get_by_text("全部（粗略）").click()
        expect(count).to_have_text(public)
        expect(page.locator(".legend")).to_contain_text("位置粗略")
        assert held.view()["whose"] == "all"
        held.is_for_everybody()
        # Of its own community it counts all.
        page.goto(page.url.replace("region=230402", "region=230402002006"))
        expect(panel.get_by_text("收到", exact=True)).to_be_visible()
        expect(panel).not_to_contain_text("只计您能看到的上报")


def test_a_report_is_seen_as_it_comes_in(browser: Browser, server: Server, office: str) -> None:
    with desk(browser, server.address, office) as held:
        subscribed = subscriptions(held.page)
        page = held.open("at=130.30348,47.35199,16&region=230402&panel=place")
        held.wait_until(lambda: subscribed)
        # The legend counts the reports in view, and no others.
        count = held.layer("上报聚合").locator(".keys-count")
        before = held.ask(RECEIVED, filter={"bounds": held.bounds()})["reports"]["totalCount"]
        everywhere = held.ask(RECEIVED, filter={"region": "230402"})["reports"]["totalCount"]
        assert 0 < before < everywhere
        expect(count).to_have_text(str(before))
        number = _submit(server, "0503", "闻到燃气味")
        notice = page.locator(".notice")
        expect(notice).to_contain_text("燃气泄漏")
        held.picture("desk-live")
        # It is there for some seconds only.
        notice.get_by_role("button", name="查看").click()
        expect(page.locator("#panel .kicker")).to_contain_text(number)
        expect(page.locator("#panel .said")).to_have_text("闻到燃气味")
        page.go_back()
        expect(count).to_have_text(str(before + 1))


def test_whoever_may_not_see_reports_sees_by_and_by_that_there_are_others(
    browser: Browser, server: Server
) -> None:
    with desk(browser, server.address) as held:
        held.page.clock.install()
        # Whether the map is another one is known by what it was.
        with held.page.expect_response("**/tiles/report_clusters/0/0/0.mvt"):
            page = held.open("at=130.30348,47.35199,13&region=230402&layers=clusters")
        expect(held.layer("上报聚合").locator(".keys-count")).to_have_text(re.compile(r"^\d+$"))
        # They are told of five of a place when the fifth has come.
        for _ in range(5):
            _submit(server, "0101", "垃圾没有清")
        with page.expect_request(lambda request: "reportClusters" in (request.post_data or "")):
            page.clock.fast_forward(25_000)
        expect(page.locator(".notice")).to_have_text("上报有变化，地图已更新")


def test_what_is_seen_is_saved_as_files(browser: Browser, server: Server, office: str) -> None:
    with desk(browser, server.address, office) as held:
        page = held.open("at=130.28900,47.34500,15&region=230402")
        expect(held.layer("空白").locator(".keys-count")).to_have_text(re.compile(r"^\d+$"))

        # 1. All grids of the region, through all pages, in the datum that is asked for.
        file = decoded(held.download("grids", "geojson", of="region", datum="GCJ02"))
        told = held.ask('{ grids(region: "230402") { nodes { code boundary(datum: GCJ02) } } }')
        assert file["datum"] == "GCJ02"
        assert {each["properties"]["code"]: each["geometry"] for each in file["features"]} == {
            each["code"]: each["boundary"] for each in told["grids"]["nodes"]
        }
        buildings = held.download("buildings", "csv", of="region", datum="WGS84")
        rows = list(csv.DictReader(io.StringIO(buildings.decode("utf-8-sig"))))
        assert len(rows) == 370
        assert {each["坐标系"] for each in rows} == {"WGS84"}

        # 2. Of what the map shows, no more than that.
        seen = decoded(held.download("buildings", "geojson", of="seen", datum="WGS84"))
        assert 0 < len(seen["features"]) < 370
        held.page.get_by_role("button", name="导出").click()
        held.is_for_everybody()
        page.keyboard.press("Escape")

        # 3. What nobody covers, as the server tells it; and reports.
        gaps = decoded(held.download("gaps", "geojson"))["features"]
        outlines = held.ask('{ coverage(region: "230402") { gaps { nodes { outline } } } }')
        area = shapely.union_all([shape(each["geometry"]) for each in gaps]).area
        nodes = outlines["coverage"]["gaps"]["nodes"]
        assert area == pytest.approx(
            shapely.union_all([shape(each["outline"]) for each in nodes]).area, rel=1e-6
        )
        reports = held.download("reports", "csv").decode("utf-8-sig")
        numbers = [row["编号"] for row in csv.DictReader(io.StringIO(reports))]
        filter_ = {"region": "230402"}
        assert len(numbers) == held.ask(RECEIVED, filter=filter_)["reports"]["totalCount"]

        # 4. The map as a picture: larger than the map, by its legend, and of many colours.
        box = page.locator(".maplibregl-canvas").bounding_box()
        assert box is not None
        picture = Image.open(io.BytesIO(held.download("map")))
        assert picture.format == "PNG"
        assert (picture.width, picture.height > box["height"]) == (box["width"], True)
        colours = picture.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 20


def test_all_can_be_done_by_keyboard(browser: Browser, server: Server) -> None:
    with desk(browser, server.address) as held:
        page = held.open("at=130.28900,47.34500,16&region=230402&layers=grids,buildings")

        # 1. Everything that Tab comes to is seen to be focused, and leads to the end of the page.
        seen: list[str] = []
        for _ in range(60):
            page.keyboard.press("Tab")
            told: dict[str, Any] = page.evaluate(_FOCUSED)
            if told["name"] == "BODY":
                break
            assert told["isShown"], told
            seen.append(told["name"])
        for name in ("网格、楼栋、单位、区域，或坐标", "复制链接", "导出", "登录", "地点", "数据"):
            assert any(name in each for each in seen), (name, seen)

        # 2. The first that Tab comes to leads to the map; there arrows move it and Enter asks.
        page.keyboard.press("Tab")
        expect(page.get_by_text("跳到地图")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".maplibregl-canvas")).to_be_focused()
        before = held.centre()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("at => !location.hash.includes(at)", arg=f"{before[0]:.5f}")
        expect(page.locator(".map-cross")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#panel .kicker")).to_be_visible()
        longitude, latitude = map(float, held.view()["pick"].removeprefix("point:").split(","))
        point = {"longitude": longitude, "latitude": latitude, "datum": "WGS84"}
        found = held.ask(LOCATE, point=point)["locate"]
        expect(page.locator("#panel h2")).to_have_text(found["grid"]["name"])

        # 3. A layer is switched, and a name is searched for.
        held.layer("楼栋").locator("input").focus()
        page.keyboard.press("Space")
        expect(held.layer("楼栋").locator("input")).not_to_be_checked()
        page.get_by_role("combobox").first.focus()
        page.keyboard.insert_text("第8网格")
        second = page.locator(".search-list li").nth(1)
        expect(second).to_be_visible()
        name = second.locator("b").inner_text()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("#panel h2")).to_have_text(name)


def test_a_base_map_lies_below_where_there_is_one_and_the_page_asks_its_host_alone(
    browser: Browser, demo_url: str
) -> None:
    """Pictures, a style with names that are ours too, and one that is not to be had; each day of a
    comparison has them, and the map names whom they name."""
    drawn = io.BytesIO()
    Image.new("RGB", (256, 256), (230, 159, 0)).save(drawn, "PNG")
    open_to_all = {"access-control-allow-origin": "*"}
    asked = set()

    async def tile(request: Request) -> Response:
        asked.add(request.path_params["layer"])
        return Response(drawn.getvalue(), media_type="image/png", headers=open_to_all)

    async def style(_: Request) -> Response:
        credit = "<a href='https://maps.example/'>© 测</a><img src=x onerror=alert(1)>"
        source = {"type": "raster", "tiles": ["style/{z}/{x}/{y}.png"], "attribution": credit}
        layers = [
            {"id": "ground", "type": "background", "paint": {"background-color": "#ff0000"}},
            {"id": "grids-areas", "type": "raster", "source": "grids"},
            {"id": "mistaken", "type": "fill", "source": "grids", "paint": {"fill-colour": "#fff"}},
        ]
        said = {"version": 8, "sources": {"grids": source}, "layers": layers}
        return JSONResponse(said, headers=open_to_all)

    async def broken(_: Request) -> Response:
        return Response("<h1>", headers=open_to_all)

    routes = [Route("/{layer}/{z}/{x}/{y}.png", tile), Route("/style.json", style)]
    with served(Starlette(routes=[*routes, Route("/broken.json", broken)])) as elsewhere:
        addresses = ("xyz/{z}/{x}/{y}.png?tk=1", "style.json", "broken.json")
        settings = Settings(basemap=" ".join(f"{elsewhere}/{each}" for each in addresses))
        app = application(settings, demo_url)
        with (
            served(app, app.state.streams, lifespan="on") as address,
            desk(browser, address, elsewhere=elsewhere) as held,
        ):
            policy = httpx.get(address).headers["content-security-policy"]
            assert f"connect-src 'self' {elsewhere};" in policy
            assert elsewhere not in httpx.get(f"{address}/m/").headers["content-security-policy"]
            page = held.open(f"at={HERE},14&layers=grids&panel=compare&region=230402")
            expect(page.locator(".map-attribution")).to_have_text("© 测")
            expect(page.get_by_role("link", name="© 测")).to_have_attribute(
                "href", "https://maps.example/"
            )
            expect(page.locator(".map-trouble")).to_contain_text("底图")
            expect(page.locator(".swipe-map canvas")).to_be_attached()
            wait_until(lambda: all(_near(each, (230, 159, 0)) for each in _edges(page)))
            assert asked == {"xyz", "style"}
            held.is_for_everybody()

            # In the dark it is dim, so that what is ours is seen on it.
            page.get_by_role("button", name="深色").click()
            wait_until(lambda: all(_near(each, (70, 56, 21)) for each in _edges(page)))


def test_on_a_narrow_screen_the_panel_is_below_and_layers_come_by_a_button(
    browser: Browser, server: Server
) -> None:
    with desk(browser, server.address, size=NARROW, scheme="dark") as held:
        page = held.open(f"at={HERE},14&region=230402&panel=figures")
        expect(page.locator("html")).to_have_class("dark")
        expect(page.locator("#panel .grade-letter")).to_be_visible()
        page.wait_for_function(_IS_ABOVE, arg=NARROW[0])
        held.is_for_everybody()
        held.picture("desk-narrow")
        expect(held.layer("网格").first).to_be_hidden()
        page.get_by_role("button", name="图层").click()
        expect(held.layer("网格").first).to_be_visible()
        held.is_for_everybody()
        page.get_by_role("button", name="图层").click()

        # At 200 % of 1280 by 800, and at 400 % in English, there is a map to be used still, and
        # nothing beside what is seen.
        for size, language in (((640, 400), "zh"), ((320, 256), "en")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            if language == "en":
                page.get_by_role("button", name="English").click()
            page.wait_for_function(_HAS_ROOM, arg=list(size))
            held.is_for_everybody()


def _edges(page: Page) -> list[bytes]:
    """The colours that are seen at the left and the right edge of the map."""
    seen = Image.open(io.BytesIO(page.locator(".map").screenshot())).convert("RGB")
    return [seen.crop((x, 9, x + 1, 10)).tobytes() for x in (4, seen.width - 4)]


def _near(colour: bytes, other: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 12 for a, b in zip(colour, other, strict=True))


def _submit(server: Server, category: str, description: str) -> str:
    """The number of a report that somebody sends in."""
    sent = server.ask(
        "mutation ($input: SubmitReportInput!) { submitReport(input: $input) { number } }",
        input={
            "id": str(uuid.uuid4()),
            "point": {"longitude": 130.30348, "latitude": 47.35199, "datum": "WGS84"},
            "capturedAt": datetime.datetime.now(datetime.UTC).isoformat(),
            "category": category,
            "description": description,
        },
    )["submitReport"]
    return str(sent["number"])


# Whether all of these colours are on the map, nine tenths of them and one of the ground.
_HOLDS = """colours => {
    const canvas = document.querySelector(".maplibregl-canvas");
    const copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const pen = copy.getContext("2d");
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 4) seen.add(`${[...data.slice(i, i + 3)]}`);
    const shown = [...seen].map((each) => each.split(",").map(Number));
    return colours.every((colour) => shown.some((each) => each.every(
        (value, i) => Math.abs(value - 0.9 * colour[i] - 0.1 * [242, 241, 236][i]) < 3)));
}"""

# Whether the map is above the panel, both as wide as the screen, and nothing is wider than it.
_IS_ABOVE = """(width) => {
    const [map, panel] = [".maplibregl-canvas", "#panel"].map(
        (each) => document.querySelector(each).getBoundingClientRect(),
    );
    return (
        map.width === width && panel.width === width && map.bottom <= panel.top &&
        document.documentElement.scrollWidth === width
    );
}"""

# Whether the map has half of the screen's height and width, and nothing is wider than the screen.
_HAS_ROOM = """([width, height]) => {
    const map = document.querySelector(".map").getBoundingClientRect();
    const panel = document.querySelector("#panel");
    return (
        map.height >= height / 2 && map.width >= width / 2 &&
        document.documentElement.scrollWidth === width && panel.scrollWidth === panel.clientWidth
    );
}"""

# What has the focus, and whether one sees that.
_FOCUSED = """() => {
    const element = document.activeElement;
    const around = element.closest(
        ".el-radio-button, .el-checkbox, .el-slider__button-wrapper, .el-select__wrapper",
    );
    const inside = around?.querySelector(".el-checkbox__inner, .el-slider__button");
    const isShown = [element, around, inside].filter(Boolean).some((each) => {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(each);
        return (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
    });
    const words = [element.ariaLabel, element.innerText, element.placeholder].filter(Boolean);
    return {
        name: element === document.body ? "BODY" : words.join(" "),
        isShown,
        html: element.outerHTML.slice(0, 200),
    };
}"""
