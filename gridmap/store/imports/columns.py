"""The fields of each noun, the headings under which files bring them, and the reading of both.

`FIELDS` is data: to teach the import another heading, add it to a field's aliases. The first name
of a field is also its heading in exports. A noun's first field is what its rows are named by.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any

from gridmap.errors import Invalid
from gridmap.geo.batches import Batch
from gridmap.geo.problems import Kind, Problem
from gridmap.store.imports.options import Noun
from gridmap.store.imports.values import (
    amount_of,
    code_of,
    count_of,
    date_of,
    latitude_of,
    longitude_of,
    mode_of,
    moment_of,
    region_level_of,
    sponsor_level_of,
    step_of,
    text_of,
    truth_of,
    unit_of,
    urgency_of,
    uuid_of,
    visit_kind_of,
)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a row says. `aliases` go from the surest to the vaguest.

    Where it is `required`, the file must have a column for it and every row a value.
    """

    name: str
    read: Callable[[object], Any]
    aliases: tuple[str, ...] = ()
    required: bool = False


_CODE = ("编码", "编号", "代码", "code", "id")
_NAME = ("名称", "name")
_BEGIN = ("启用日期", "生效日期", "开始日期", "起始日期", "valid_from", "start_date", "from")
_END = ("停用日期", "失效日期", "结束日期", "截止日期", "valid_to", "end_date", "to")
_OUTLINE = ("wkt", "geometry", "geom", "the_geom", "边界", "轮廓", "范围")

FIELDS: Mapping[Noun, tuple[Field, ...]] = {
    Noun.REGIONS: (
        Field(
            "code",
            code_of,
            ("区划代码", "行政区划代码", "统计用区划代码", "社区编码", "社区代码", *_CODE),
            required=True,
        ),
        Field("name", text_of, ("区划名称", "社区名称", *_NAME), required=True),
        Field("level", region_level_of, ("级别", "层级", "类型")),
        Field("parent", code_of, ("上级编码", "上级代码", "上级", "parent_code", "所属上级")),
        Field("boundary", text_of, _OUTLINE),
    ),
    Noun.GRIDS: (
        Field(
            "code",
            code_of,
            ("网格编码", "网格代码", "网格编号", "grid_code", *_CODE),
            required=True,
        ),
        Field("name", text_of, ("网格名称", "网格", "grid_name", *_NAME), required=True),
        Field(
            "community",
            code_of,
            ("社区编码", "社区代码", "所属社区编码", "所属社区代码", "community_code", "所属社区"),
        ),
        Field("valid_from", date_of, _BEGIN),
        Field("valid_to", date_of, _END),
        Field("boundary", text_of, _OUTLINE),
    ),
    Noun.BUILDINGS: (
        Field(
            "code",
            code_of,
            ("楼栋编码", "楼栋代码", "楼栋编号", "楼房编码", "建筑编码", "building_code", *_CODE),
            required=True,
        ),
        Field(
            "name",
            text_of,
            ("楼栋名称", "楼房名称", "建筑名称", "楼栋", "building_name", *_NAME, "地址"),
            required=True,
        ),
        Field(
            "community",
            code_of,
            ("社区编码", "社区代码", "所属社区编码", "所属社区代码", "community_code", "所属社区"),
        ),
        Field("compound", text_of, ("小区", "小区名称", "所属小区")),
        Field("households", count_of, ("户数", "住户数", "总户数", "居民户数"), required=True),
        Field(
            "management_mode",
            mode_of,
            ("管理方式", "管理模式", "物业管理方式", "management", "mode"),
        ),
        Field("management_from", date_of, ("管理开始日期", "管理起始日期", *_BEGIN)),
        Field("longitude", longitude_of, ("经度", "lng", "lon", "long", "x")),
        Field("latitude", latitude_of, ("纬度", "lat", "y")),
        Field("footprint", text_of, ("楼栋轮廓", "建筑轮廓", *_OUTLINE)),
    ),
    Noun.SPONSORS: (
        Field(
            "code",
            code_of,
            ("包保单位编码", "包保单位代码", "单位编码", "单位代码", "sponsor_code", *_CODE),
            required=True,
        ),
        Field(
            "name",
            text_of,
            ("包保单位名称", "包保单位", "单位名称", "单位", "sponsor_name", *_NAME),
            required=True,
        ),
        Field("level", sponsor_level_of, ("级别", "层级", "单位级别", "包保级别"), required=True),
        Field(
            "region",
            code_of,
            ("所属区划编码", "所属区划", "区划代码", "所属地区", "region_code"),
            required=True,
        ),
        Field("leader", text_of, ("包保领导", "领导", "负责人", "责任人", "联系人")),
        Field("leader_role", text_of, ("领导职务", "职务", "负责人职务")),
    ),
    Noun.SPONSORSHIPS: (
        Field(
            "sponsor",
            code_of,
            ("包保单位编码", "包保单位代码", "单位编码", "单位代码", "sponsor_code", "包保单位"),
            required=True,
        ),
        Field(
            "building",
            code_of,
            ("楼栋编码", "楼栋代码", "楼栋编号", "楼房编码", "building_code", "楼栋"),
        ),
        Field("grid", code_of, ("网格编码", "网格代码", "网格编号", "grid_code", "网格")),
        Field("district", code_of, ("区县代码", "区县编码", "district_code")),
        Field("valid_from", date_of, ("包保开始日期", *_BEGIN)),
        Field("valid_to", date_of, ("包保结束日期", *_END)),
    ),
    Noun.WORKERS: (
        Field(
            "code",
            code_of,
            ("网格员编码", "网格员编号", "网格员代码", "工号", "worker_code", *_CODE),
            required=True,
        ),
        Field(
            "name", text_of, ("网格员姓名", "网格员", "姓名", "worker_name", *_NAME), required=True
        ),
        Field("phone", text_of, ("电话", "联系电话", "手机", "手机号", "手机号码", "联系方式")),
        Field(
            "district",
            code_of,
            ("区县代码", "区县编码", "所属区县", "区划代码", "district_code"),
        ),
        Field("grid", code_of, ("网格编码", "网格代码", "网格编号", "grid_code", "网格")),
        Field("valid_from", date_of, ("上岗日期", *_BEGIN)),
        Field("valid_to", date_of, ("离岗日期", *_END)),
    ),
    Noun.VISITS: (
        Field(
            "building",
            code_of,
            ("楼栋编码", "楼栋代码", "楼栋编号", "楼房编码", "building_code", "楼栋"),
            required=True,
        ),
        Field(
            "worker",
            code_of,
            ("网格员编码", "网格员编号", "网格员代码", "工号", "worker_code", "网格员"),
            required=True,
        ),
        Field(
            "kind",
            visit_kind_of,
            ("走访类型", "走访类别", "工作类型", "服务类型", "类型", "类别", "事项"),
            required=True,
        ),
        Field(
            "at",
            moment_of,
            ("走访时间", "走访日期", "服务时间", "时间", "日期", "time", "date"),
            required=True,
        ),
        Field("note", text_of, ("走访记录", "走访内容", "走访情况", "记录", "内容", "备注")),
        Field("id", uuid_of, ("走访编号", "记录编号", "编号")),
        Field("district", code_of, ("区县代码", "区县编码", "district_code")),
    ),
    Noun.MEMBER_CARDS: (
        Field(
            "building",
            code_of,
            ("楼栋编码", "楼栋代码", "楼栋编号", "楼房编码", "building_code", "楼栋"),
            required=True,
        ),
        Field(
            "name",
            text_of,
            ("党员姓名", "楼栋党员", "党员", "姓名", "member_name", "名称"),
            required=True,
        ),
        Field("district", code_of, ("区县代码", "区县编码", "district_code")),
        Field("valid_from", date_of, ("悬挂日期", "挂牌日期", *_BEGIN)),
        Field("valid_to", date_of, ("摘牌日期", "取下日期", *_END)),
    ),
    Noun.CATEGORIES: (
        Field(
            "code",
            code_of,
            ("类别编码", "类别代码", "分类编码", "分类代码", "category_code", *_CODE),
            required=True,
        ),
        Field(
            "name",
            text_of,
            ("类别名称", "分类名称", "类别", "分类", "category_name", *_NAME),
            required=True,
        ),
        Field(
            "parent",
            code_of,
            (
                "上级类别编码",
                "上级类别代码",
                "大类编码",
                "大类代码",
                "上级编码",
                "上级代码",
                "上级类别",
                "大类",
                "上级",
                "parent_code",
            ),
        ),
    ),
    Noun.DEADLINES: (
        Field(
            "category",
            code_of,
            ("类别编码", "类别代码", "分类编码", "分类代码", "category_code", "类别", "分类"),
        ),
        Field("urgency", urgency_of, ("紧急程度", "紧急级别", "程度")),
        Field("step", step_of, ("环节", "步骤", "阶段"), required=True),
        Field("amount", amount_of, ("时限", "时长", "期限", "数量", "limit")),
        Field("unit", unit_of, ("时限单位", "时间单位", "计时单位", "单位")),
        Field(
            "district", code_of, ("区县代码", "区县编码", "所属区县", "区划代码", "district_code")
        ),
    ),
    Noun.REPORT_RULES: (
        Field(
            "region",
            code_of,
            ("区划代码", "区划编码", "行政区划代码", "所属区划", "region_code"),
            required=True,
        ),
        Field(
            "default_sponsor",
            code_of,
            (
                "兜底单位编码",
                "兜底单位代码",
                "兜底单位",
                "全域兜底",
                "包保单位编码",
                "包保单位代码",
                "sponsor_code",
            ),
        ),
        Field("rated", truth_of, ("是否评价", "是否评单", "评价", "评单", "is_rated")),
    ),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch read: `values` has a list for every field of the noun, None where a cell is empty.

    `numbers`: each row's number in the file. `codes` names rows in problems; some may be None.
    `unread`: by field, the positions of cells that were refused, so that nobody calls them empty.
    """

    numbers: list[int]
    codes: list[str | None]
    values: dict[str, list[Any]]
    unread: dict[str, set[int]] = dataclass_field(default_factory=dict)


class Columns:
    """Which heading of the file brings which field, found once and kept for every batch."""

    def __init__(self, noun: Noun, wanted: Mapping[str, str]) -> None:
        self.fields = FIELDS[noun]
        self.headings: dict[str, str] = {}
        self._wanted = dict(wanted)
        self._seen: dict[str, None] = {}
        unknown = set(wanted) - {field.name for field in self.fields}
        if unknown:
            raise Invalid(
                f"{noun} have no column {', '.join(sorted(unknown))}; --map takes "
                f"{', '.join(field.name for field in self.fields)}."
            )

    def has(self, field: str) -> bool:
        """Whether the file has a column for the field."""
        return field in self.headings

    def recognised(self, headings: Iterable[str]) -> int:
        """How many fields some headings would bring."""
        return len(_found(self.fields, self._wanted, headings, {}))

    @property
    def ignored(self) -> tuple[str, ...]:
        used = set(self.headings.values())
        return tuple(heading for heading in self._seen if heading not in used)

    def read(self, batch: Batch) -> tuple[Rows, list[Problem]]:
        """The batch's rows, and what cannot be understood or is missing in them.

        Raises Invalid where a required column, or one that was asked for, is not there.
        """
        self._recognise(batch.columns)
        size = len(batch.rows)
        faults: list[tuple[int, Kind, str, str]] = []
        values: dict[str, list[Any]] = {}
        unread: dict[str, set[int]] = {}
        for field in self.fields:
            heading = self.headings.get(field.name, field.name)
            cells = batch.columns.get(heading) if self.has(field.name) else None
            values[field.name], unread[field.name] = (
                ([None] * size, set()) if cells is None else _read(field, heading, cells, faults)
            )
        codes = values[self.fields[0].name]
        problems = [
            Problem(batch.rows[i], codes[i], kind, message, remedy)
            for i, kind, message, remedy in faults
        ]
        return Rows(batch.rows, codes, values, unread), problems

    def need(self, *names: str) -> None:
        """Raises Invalid where the file has no column for one of the fields, naming all of them."""
        missing = [
            field for field in self.fields if field.name in names and not self.has(field.name)
        ]
        if not missing:
            return
        several = len(missing) > 1
        raise Invalid(
            f"The file has no {'columns' if several else 'column'} "
            f"{_listed([field.name for field in missing])}. "
            f"It has: {', '.join(self._seen) or 'none'}. "
            f"Say which {'they are' if several else 'one it is'}, for example "
            f"{' '.join(f'--map {field.name}={field.aliases[0]}' for field in missing)}"
        )

    def _recognise(self, headings: Iterable[str]) -> None:
        """Finds fields for headings not seen before: GeoJSON may bring some in a later batch."""
        new = [heading for heading in headings if heading not in self._seen]
        if not new and self._seen:
            return
        self._seen.update(dict.fromkeys(new))
        for name, heading in self._wanted.items():
            if _there(heading, self._seen) is None and not self.has(name):
                raise Invalid(
                    f"The file has no column {heading} for {name}. "
                    f"It has: {', '.join(self._seen) or 'none'}."
                )
        self.headings = _found(self.fields, self._wanted, self._seen, self.headings)
        self.need(*(field.name for field in self.fields if field.required))


def _found(
    fields: Iterable[Field],
    wanted: Mapping[str, str],
    headings: Iterable[str],
    settled: Mapping[str, str],
) -> dict[str, str]:
    """Which heading brings which field: those `settled` before, those `wanted`, those recognised.

    Every field's own name goes before any field's alias, and every alias before one that a
    Shapefile has cut, which is taken where it is left of one field's headings only.
    """
    seen = dict.fromkeys(headings)
    found = dict(settled)
    for name, heading in wanted.items():
        if there := _there(heading, seen):
            found[name] = there
    taken = set(found.values())
    free = {_plain(heading): heading for heading in reversed(seen) if heading not in taken}
    for field in fields:
        if field.name not in found and field.name in free:
            found[field.name] = free.pop(field.name)
    for field in fields:
        for alias in field.aliases:
            if field.name not in found and alias in free:
                found[field.name] = free.pop(alias)
    left_of: dict[str, set[str]] = {}
    for field in fields:
        for each in (field.name, *field.aliases):
            for cut in _cuts(each):
                left_of.setdefault(cut, set()).add(field.name)
    for cut, names in left_of.items():
        if len(names) == 1 and cut in free and not names & found.keys():
            found[names.pop()] = free.pop(cut)
    return found


def _there(heading: str, seen: Iterable[str]) -> str | None:
    """The heading, or what a Shapefile has left of it, if it is among those of the file."""
    return next((each for each in (heading, *_cuts(heading)) if each in seen), None)


def _cuts(heading: str) -> list[str]:
    """What a Shapefile's table leaves of a heading, for which it has ten bytes."""
    cuts = [heading.encode(codec)[:10].decode(codec, "ignore") for codec in ("utf-8", "gb18030")]
    return [cut for cut in cuts if cut != heading]


def _read(
    field: Field,
    heading: str,
    cells: Sequence[object],
    faults: list[tuple[int, Kind, str, str]],
) -> tuple[list[Any], set[int]]:
    """The values, None where a cell is empty or cannot be read, and where it cannot."""
    read = field.read
    values: list[Any] = []
    unread: set[int] = set()
    for cell in cells:
        try:
            values.append(read(cell))
        except ValueError as error:
            unread.add(len(values))
            faults.append(
                (
                    len(values),
                    Kind.BAD_CODE if read is code_of else Kind.BAD_VALUE,
                    f"{heading} {_shown(cell)} {error}",
                    f"Correct it in the column {heading}.",
                )
            )
            values.append(None)
    if field.required:
        faults.extend(
            (i, Kind.MISSING_VALUE, f"{heading} is empty", f"Fill in the column {heading}.")
            for i, value in enumerate(values)
            if value is None and i not in unread
        )
    return values, unread


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shown(cell: object) -> str:
    text = str(cell)
    if isinstance(cell, str):
        text = f"“{cell if cell.isprintable() else repr(cell)[1:-1]}”"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _plain(heading: str) -> str:
    """The heading without what people vary: case, width of characters, blanks, a unit or remark."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    text = _REMARK.split(text)[0] or text
    text = _BLANKS_IN_CHINESE.sub("", text.strip("*_: \t\r\n"))
    return "_".join(text.split())


# A unit or remark: 户数(户), 户数[户], 户数【户】, 户数/户.
_REMARK = re.compile(r"[(\[{【〔〈《<「/]")
# People blow up short headings: 户 数.
_BLANKS_IN_CHINESE = re.compile(r"(?<=[^\x00-\x7f])\s+|\s+(?=[^\x00-\x7f])")
