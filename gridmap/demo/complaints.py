"""What people of the demo complain of: made-up sentences, each fit for its category.

The categories are those that every database begins with. None needs a season.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Complaint:
    """`texts` name a building as {place} and an entrance as {number}; `done`: what was done.

    `is_outdoors`: seen in the yard, not at the building. `is_soon`: answered within few days.
    """

    category: str
    done: str
    texts: tuple[str, ...]
    urgency: str = "ROUTINE"
    is_outdoors: bool = False
    is_soon: bool = False


COMPLAINTS = (
    Complaint(
        "0101",
        "已清运，周边打扫干净",
        (
            "{place}旁边的垃圾桶满了三天没人清，袋子都堆到路边了",
            "{place}{number}单元门口有一堆生活垃圾，有味",
            "{place}后面有人扔了旧沙发和床垫",
        ),
        is_outdoors=True,
    ),
    Complaint(
        "0102",
        "装修渣土已联系业主清走",
        ("{place}{number}单元装修的渣土堆在路口好几天了", "{place}院里有一堆砖头瓦块没人管"),
        is_outdoors=True,
    ),
    Complaint(
        "0103",
        "已安排清扫并冲洗路面",
        ("{place}前面的路上全是泥，走路打滑", "{place}门前路面有大片油污"),
        is_outdoors=True,
    ),
    Complaint(
        "0104",
        "绿地已清理，补种草籽",
        ("{place}前的花坛里都是塑料袋和烟头", "{place}旁绿地被人种菜，还浇粪水"),
        is_outdoors=True,
    ),
    Complaint(
        "0105",
        "坑洞已填补压实",
        ("{place}前面路上有个坑，骑车差点摔倒", "{place}{number}单元门前的步道砖碎了一片"),
        is_outdoors=True,
    ),
    Complaint(
        "0106",
        "违建已拆除，场地恢复",
        ("{place}一楼住户在窗外搭了个棚子，挡住楼上采光", "{place}后面有人私自盖了仓房"),
    ),
    Complaint(
        "0201",
        "小广告已清除并刷白",
        ("{place}{number}单元楼道里贴满了开锁和贷款的小广告", "{place}外墙被喷了办证电话"),
    ),
    Complaint(
        "0203",
        "广告牌已移走，商户作出承诺",
        ("{place}楼下商户把灯箱放在盲道上", "{place}前的人行道被广告牌占了一半"),
        is_outdoors=True,
    ),
    Complaint(
        "0204",
        "松动招牌已加固",
        ("{place}门市的招牌掉了一半，风一吹就响",),
        urgency="URGENT",
    ),
    Complaint(
        "0301",
        "已与施工方约定夜间不施工",
        ("{place}旁边工地半夜还在打桩，孩子睡不着", "{place}{number}单元有人中午电钻装修"),
    ),
    Complaint(
        "0302",
        "工地已加盖苫布并洒水",
        ("{place}对面工地没有苫盖，灰都刮进屋里",),
        is_outdoors=True,
    ),
    Complaint(
        "0401",
        "摊主已劝离，引导进市场",
        ("{place}路口每天早上有人摆摊卖菜，堵车",),
        is_outdoors=True,
    ),
    Complaint(
        "0402",
        "商户已把货物收回店内",
        ("{place}楼下超市把货架摆到人行道上", "{place}一楼饭店在门外摆桌子，晚上很吵"),
        is_outdoors=True,
    ),
    Complaint(
        "0403",
        "车辆已挪走，增设隔离桩",
        (
            "{place}{number}单元门口总被车堵住，救护车进不来",
            "{place}前的消防通道停满了车",
            "{place}院里有一辆僵尸车，落了很厚的灰",
        ),
        is_outdoors=True,
    ),
    Complaint(
        "0404",
        "已整理摆放并划线",
        ("{place}{number}单元门厅里放了四辆电动车，还拉线充电",),
    ),
    Complaint(
        "0405",
        "物料已清走",
        ("{place}墙根堆着木方和钢管，老人路过危险", "{place}楼前堆了一车煤泥砖"),
        is_outdoors=True,
    ),
    Complaint(
        "0501",
        "已围挡并回填，路面恢复",
        ("{place}前面路面塌了一块，有半米深",),
        urgency="EMERGENCY",
        is_outdoors=True,
    ),
    Complaint(
        "0502",
        "漏点已修复，恢复供水",
        ("{place}{number}单元地下室水管爆了，水已经没过脚面", "{place}全楼没水，地面往外冒水"),
        urgency="EMERGENCY",
    ),
    Complaint(
        "0504",
        "管道已疏通，现场冲洗",
        ("{place}{number}单元下水堵了，一楼返水", "{place}前的污水井往外冒，臭味很大"),
        urgency="URGENT",
    ),
    Complaint(
        "0506",
        "积水已排，雨水口疏通",
        ("{place}门前积水，进出要踩砖头",),
        urgency="URGENT",
        is_outdoors=True,
    ),
    Complaint(
        "1101",
        "已电话答复，居民表示清楚",
        ("住{place}，想问老楼加装扶手怎么申请", "{place}居民建议在院里加几个长椅"),
        is_soon=True,
    ),
    Complaint(
        "1102",
        "已约谈物业，公示收费明细",
        ("{place}物业只收费不打扫，楼道一个月没拖了", "投诉{place}楼下烧烤店油烟直排"),
    ),
    Complaint(
        "1103",
        "双方已调解，签了协议",
        ("{place}{number}单元楼上漏水泡了我家，对方不肯修", "{place}邻居养狗半夜叫，说了不听"),
    ),
    Complaint(
        "1104",
        "已上门走访，联系志愿者定期看望",
        ("{place}{number}单元独居老人摔伤，没人买菜", "{place}有住户下岗，想找份零工"),
    ),
    Complaint(
        "1201",
        "杂物已清走，楼道畅通",
        (
            "{place}{number}单元楼道堆满纸箱和旧家具",
            "{place}{number}单元顶楼缓台放了酸菜缸和破柜子",
        ),
    ),
    Complaint(
        "1202",
        "已修好，试用正常",
        (
            "{place}{number}单元声控灯坏了，晚上上楼看不见",
            "{place}{number}单元楼门关不上，锁坏了",
            "{place}院里的健身器材断了，怕伤到孩子",
            "{place}{number}单元楼梯扶手松动",
        ),
    ),
    Complaint(
        "1203",
        "树枝已修剪",
        ("{place}前的大树枝伸到三楼窗户上了", "{place}旁的树被风刮歪，压着电线"),
        is_outdoors=True,
    ),
    Complaint(
        "1204",
        "死角已清理消杀",
        ("{place}和旁边楼之间的夹空成了垃圾场，招老鼠",),
        is_outdoors=True,
    ),
    Complaint(
        "1301",
        "活动室开放时间已公示",
        ("{place}居民想借社区活动室排练秧歌",),
    ),
    Complaint(
        "1302",
        "志愿服务已安排",
        ("{place}几位老人想请人教用手机看病挂号",),
    ),
)
