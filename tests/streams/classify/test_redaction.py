"""What is kept to learn from has no personal details in it, and still says what happened."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plain_text import plain
from streams.classify.redaction import redacted


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (
            "我叫王小明，电话13812345678，三号楼2单元501室着火了",
            "我叫...,电话...,...着火了",
        ),
        (
            "本人姓李，住解放路12号，身份证32048119800101123X",
            "本人姓...,住解放路...,身份证...",
        ),
        ("我是张伟，在地铁2号线站台", "我是...,在地铁2号线站台"),
        ("苏A12345的货车撞了人，苏D·88K66跑了", "...的货车撞了人,...跑了"),
        ("联系 ０５１９－８７８９１２３４ 或 li.wei@example.com", "联系 ... 或 ..."),
        ("王先生家着火，刘阿姨被困", "...先生家着火,...阿姨被困"),
        ("独居老人刘某未开门", "独居老人...未开门"),
        ("一三八零零一三八零零零是我号码", "...是我号码"),
        ("8幢1102，门牌号是88", "...,门牌号是..."),
        (
            "My name is John Smith, 415-555-0199, apt 4B, 1420 Valencia Street",
            "My name is ..., ..., apt ..., ... Valencia Street",
        ),
        ("my name is maria and he collapsed", "my name is ... and he collapsed"),
        ("this is Ana Lopez in room 612", "this is ... in room ..."),
        ("Mr. Henderson fell, call (415) 555 0100", "Mr. ... fell, call ..."),
        ("plate 8ABC123 hit a man at 55 W 3rd Ave", "plate ... hit a man at ... W 3rd Ave"),
        ("my number is five five five oh one two three", "my number is ..."),
        ("see https://example.com/u/john about SSN 123-45-6789", "see ... about SSN ..."),
    ],
)
def test_personal_details_are_taken_out(said: str, kept: str) -> None:
    assert redacted(said) == kept


@pytest.mark.parametrize(
    "said",
    [
        "叫救护车,人叫不醒了",
        "一栋楼塌了,一座桥断了,三楼有5个人,老人38岁",
        "我是路过的,高速公路上1号车间爆炸",
        "叫江边的人快跑,水深1.5米,3000人",
        "110没打通,打了119",
        "2 cars crashed on Market Street, 3 people hurt",
        "200 people on market street, this is not a drill",
        "24-year-old man at 24th Street, 10-20 people, unit is flooded",
    ],
)
def test_what_happened_stays(said: str) -> None:
    assert redacted(said) == said


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="我叫王李姓号楼栋室.a1 2-路Mr#苏A@x…\n\t", max_size=40))
def test_again_changes_nothing_and_one_line_in_plain_form_is_left(text: str) -> None:
    once = redacted(text)
    assert redacted(once) == plain(once) == once
    assert len(once.splitlines()) <= 1
    assert "\t" not in once
