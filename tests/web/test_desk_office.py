"""An office at its desk: reports are registered, dispatched, checked and closed beside the map."""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from gridmap.api.identity import Tokens
from gridmap.store.viewers import Role, Viewer
from tests.api.conftest import Server
from tests.waiting import wait_until
from tests.web.desks import Desk, desk

PLACE = {"longitude": 130.30348, "latitude": 47.35199, "datum": "WGS84"}
VIEW = "at=130.30348,47.35199,15&region=230402&panel=office"

SUBMIT = """
mutation ($input: SubmitReportInput!) {
  submitReport(input: $input) { report { id } number workers { code name } grid { code } }
}
"""
OPEN = """
query ($after: Cursor) {
  reports(filter: { region: "230402", states: [SUBMITTED] }, after: $after) {
    nodes { number deadline stepDeadline actions } pageInfo { hasNextPage endCursor } totalCount
  }
}
"""


@pytest.fixture(scope="module")
def office(tokens: Tokens) -> str:
    """The token of the district's office."""
    return _token(tokens, Role.DISTRICT, "办公室", "230402")


def test_an_office_takes_a_report_from_its_coming_in_to_its_end(
    browser: Browser, server: Server, office: str, tokens: Tokens
) -> None:
    with desk(browser, server.address, office) as held:
        # 1. What waits is there, the soonest deadline first, and what comes in is seen at once.
        heard: list[object] = []

        def listens() -> bool:
            held.page.wait_for_timeout(20)
            return bool(heard)

        held.page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda frame: heard.append(frame)),
        )
        page = held.open(VIEW)
        waiting = held.ask(OPEN)["reports"]
        assert 0 < waiting["totalCount"] < 20
        rows = page.locator(".office-list li")
        expect(rows).to_have_count(waiting["totalCount"])
        # In the evening many are due at the same moment of the next morning.
        for row, due in (
            (rows.first, min(map(_due, waiting["nodes"]))),
            (rows.last, max(map(_due, waiting["nodes"]))),
        ):
            either = [each["number"] for each in waiting["nodes"] if _due(each) == due]
            expect(row).to_contain_text(re.compile("|".join(map(re.escape, either))))
        held.is_for_everybody()
        wait_until(listens)
        sent = _submit(server)
        number, [worker, *_] = sent["number"], sent["workers"]
        expect(_tab(held, "待受理")).to_contain_text(str(waiting["totalCount"] + 1))
        mine = rows.filter(has_text=number)

        # 2. It is opened and registered by the keyboard alone.
        mine.get_by_role("button").press("Enter")
        card = page.get_by_role("article", name=number)
        expect(card.locator("h2")).to_be_focused()
        expect(card.locator(".said")).to_have_text("墙角的垃圾没有清")
        assert held.view()["pick"] == f"report:{number}"
        held.is_for_everybody()
        _press(card, "受理")
        form = page.get_by_role("dialog", name="受理")
        expect(form.get_by_label("说明")).to_be_visible()
        form.get_by_role("button", name="受理").press("Enter")
        expect(card.get_by_role("status")).to_have_text("受理完成，现在是“已受理”。")
        expect(card.locator("h2")).to_be_focused()

        # 3. Another one that has ended takes no other in: told beside the form, with what was
        # typed. Nobody acts on what they have not seen: somebody else is told of.
        ended = held.ask(
            '{ reports(filter: {region: "230402", states: [CLOSED]}, first: 1)'
            " { nodes { number } } }"
        )["reports"]["nodes"][0]["number"]
        _press(card, "并单")
        form = page.get_by_role("dialog", name="并单")
        form.get_by_label("并入哪一件").fill(ended)
        form.get_by_label("说明").fill("同一处")
        form.get_by_role("button", name="并单").press("Enter")
        expect(form.get_by_role("alert")).to_contain_text(f"{ended} 已经办结")
        held.is_for_everybody()
        page.keyboard.press("Escape")
        expect(page.locator("dialog[aria-label=并单]")).to_have_count(0)
        _press(card, "并单")
        expect(form.get_by_label("说明")).to_have_value("同一处")
        page.keyboard.press("Escape")

        _press(card, "派单")
        form = page.get_by_role("dialog", name="派单")
        # Enter looks for a unit; nothing is sent to whoever was offered first.
        unit = form.get_by_label("按名称查找单位")
        unit.fill("市审计局")
        unit.press("Enter")
        expect(form.get_by_role("radio").first).to_have_accessible_name(re.compile("市审计局"))
        form.get_by_role("button", name="派单").press("Enter")
        expect(form.get_by_role("alert")).to_have_text("请先选派给谁。")
        form.get_by_label(worker["name"]).check()
        form.get_by_label("说明").fill("今天清掉")
        held.picture("desk-office-dispatch")
        held.is_for_everybody()
        # Nor is the form lost, or what it was opened upon, where the report cannot be read again.
        page.route("**/graphql", _fail_to_read)
        _act(server, office, "escalate", sent, "要街道出面")
        held.complains("503")
        expect(card.get_by_role("button", name="再试")).to_be_attached()
        page.unroute("**/graphql", _fail_to_read)
        form.get_by_role("button", name="派单").click()
        expect(form.get_by_role("alert")).to_contain_text("有人先办了这件上报")
        expect(form.get_by_label("说明")).to_have_value("今天清掉")
        form.get_by_role("button", name="派单").click()
        expect(card.get_by_role("status")).to_have_text("派单完成，现在是“已派单”。")
        expect(card).to_contain_text(worker["name"])

        # 4. What the worker does elsewhere is seen as it happens; then it is checked and closed.
        walker = _token(tokens, Role.GRID_WORKER, worker["code"], sent["grid"]["code"])
        for action in ("accept", "start", "done"):
            _act(server, walker, action, sent)
        expect(card.get_by_role("button", name="核查通过")).to_be_visible()
        history = card.locator(".office-history li")
        expect(history.last).to_contain_text("办完")
        held.picture("desk-office")
        for action, state in (("核查通过", "已核查"), ("结案", "已结案")):
            _press(card, action)
            page.get_by_role("dialog", name=action).get_by_role("button", name=action).click()
            expect(card.get_by_role("status")).to_have_text(f"{action}完成，现在是“{state}”。")
        expect(card.get_by_role("button", name="重办")).to_be_visible()
        expect(history).to_have_count(9)
        expect(history.filter(has_text="要街道出面")).to_have_count(1)

        # 5. Back among the others it is where what has ended is.
        card.get_by_role("button", name="返回列表").click()
        _tab(held, "已办结").click()
        expect(rows.first).to_contain_text(number)


def test_the_work_of_an_office_is_for_offices_on_screens_of_any_size(
    browser: Browser, server: Server, office: str, tokens: Tokens
) -> None:
    # Others are not offered it, and a link to it says for whom it is.
    resident = _token(tokens, Role.RESIDENT, "王女士")
    for token, told in ((None, "登录后在这里办理上报"), (resident, "您的账号不办理上报")):
        with desk(browser, server.address, token) as held:
            page = held.open(VIEW)
            expect(page.locator("#panel")).to_contain_text(told)
            expect(page.locator(".tabs").get_by_role("button", name="办理")).to_have_count(0)

    with desk(browser, server.address, office, (320, 640), "dark") as held:
        page = held.open(VIEW)
        page.emulate_media(forced_colors="none")
        rows = page.locator(".office-list li")
        expect(rows.first).to_be_visible()
        for size, language in (((640, 400), "中文"), ((320, 256), "English")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            if language == "English":
                page.get_by_role("button", name=language).click()
                expect(page.locator(".office h2")).to_have_text("Reports to handle")
            page.wait_for_function(_IS_NOT_WIDER, arg=size[0])
            held.is_for_everybody()
        rows.first.get_by_role("button").click()
        page.get_by_role("article").get_by_role("button", name="Reject").click()
        form = page.get_by_role("dialog", name="Reject")
        # Nothing is sent without the reason that is needed.
        form.get_by_role("button", name="Reject").click()
        expect(form.get_by_label("Reason")).to_be_focused()
        page.wait_for_function(_IS_NOT_WIDER, arg=320)
        held.is_for_everybody()
        page.keyboard.press("Escape")

        # One of which nobody knows yet in which grid it is, by its number.
        unsure = next(
            each["number"]
            for each in held.ask(OPEN)["reports"]["nodes"]
            if "CHOOSE_GRID" in each["actions"]
        )
        page.get_by_role("button", name="Back to the list").click()
        page.get_by_label("Find by number").fill(unsure)
        page.get_by_role("button", name="Open", exact=True).click()
        card = page.get_by_role("article", name=unsure)
        _press(card, "Choose grid")
        form = page.get_by_role("dialog", name="Choose grid")
        form.get_by_role("radio").last.check()
        chosen = form.locator("label", has=page.locator(":checked"))
        name = chosen.inner_text().rsplit(" ", 1)[0]
        form.get_by_role("button", name="Choose grid").click()
        expect(card.get_by_role("status")).to_have_text("Choose grid: it is Submitted now.")
        expect(card.locator(".facts")).to_contain_text(name)


def _token(tokens: Tokens, role: Role, subject: str, *codes: str) -> str:
    viewer = Viewer(role, subject=subject, codes=frozenset(codes))
    return tokens.issue(viewer, datetime.timedelta(days=1))


def _submit(server: Server) -> dict[str, Any]:
    """A report that somebody sends in."""
    sent: dict[str, Any] = server.ask(
        SUBMIT,
        input={
            "id": str(uuid.uuid4()),
            "point": PLACE,
            "capturedAt": datetime.datetime.now(datetime.UTC).isoformat(),
            "category": "0101",
            "description": "墙角的垃圾没有清",
        },
    )["submitReport"]
    return sent


def _act(server: Server, token: str, action: str, sent: dict[str, Any], note: str = "") -> None:
    """What somebody does to the report elsewhere, as it stands."""
    id_ = sent["report"]["id"]
    version = server.ask("query ($id: ID!) { report(id: $id) { version } }", id=id_)["report"]
    kind = f"{action.title()}ReportInput"
    answer = httpx.post(
        f"{server.address}/graphql",
        json={
            "query": f"mutation ($input: {kind}!) "
            f"{{ {action}Report(input: $input) {{ report {{ version }} }} }}",
            "variables": {"input": {"id": id_, "version": version["version"], "note": note}},
        },
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
    ).json()
    assert "errors" not in answer, answer["errors"]


def _fail_to_read(route: Route) -> None:
    if "query OfficeReport(" in (route.request.post_data or ""):
        route.fulfill(status=503, body="not now")
    else:
        route.continue_()


def _due(report: dict[str, Any]) -> datetime.datetime:
    times = [report[name] for name in ("deadline", "stepDeadline") if report[name]]
    return min(map(datetime.datetime.fromisoformat, times))


def _tab(held: Desk, name: str) -> Locator:
    return held.page.locator(".office-tabs label", has_text=re.compile(rf"^\s*{name}"))


def _press(card: Locator, name: str) -> None:
    card.get_by_role("button", name=name, exact=True).press("Enter")


_IS_NOT_WIDER = """width => {
    const panel = document.querySelector("#panel");
    return document.documentElement.scrollWidth === width &&
        panel.scrollWidth === panel.clientWidth;
}"""
