"""Numbers of people that a text says, in Chinese and English, and what is no number of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.plain_text import plain
from streams.classify.count_items import MOST
from streams.classify.counts import people_in

CHINESE = {
    # Digits and words, with a classifier, a noun, both or neither.
    "3人受伤": [3],
    "三个工人被困": [3],
    "五名乘客没出来": [5],
    "两位老人走散了": [2],
    "三条人命": [3],
    "一百二十三人": [123],
    "二百零五人": [205],
    "两千人被困": [2000],
    "3,000人被困": [3000],
    "３人落水": [3],
    "１２名学生": [12],
    "二十来号人": [20],
    "救出来俩": [2],
    "我们仨都头晕": [3],
    "滑倒四个骑车的": [4],
    "两个分拣员手上起泡": [2],
    "礁石上钓鱼的五个全围住": [5],
    "电梯里挤了十六个": [16],
    "乘客约九百": [900],
    "机上一百六十二，请布防": [162],
    "死三伤五": [3, 5],
    "7死12伤": [7, 12],
    "今天第三个了": [3],
    # Vague ones count by their least.
    "十来个人": [10],
    "十几个人": [10],
    "几个人": [3],
    "好几个学生": [3],
    "两三个人": [2],
    "七八个铺地坪的": [7],
    "十七八个": [17],
    "三四十人": [30],
    "几十个人": [20],
    "二十几个": [20],
    "上百人": [100],
    "几百人": [200],
    # Families and pairs.
    "一家四口": [4],
    "家里五口人": [5],
    "三口之家": [3],
    "老两口": [2],
    "夫妻俩": [2],
    "母女三人": [3],
    "祖孙仨": [3],
    "母子被困": [2],
    "三大一小": [4],
    # Side by side, with a total and without.
    "两个孩子和一个老人": [3],
    "五男两女": [7],
    "七个大人一个娃": [8],
    "我和我妈": [2],
    "我带着两个娃": [3],
    "两口子带俩娃": [4],
    "一个奶奶带个孙子": [2],
    "我跟一个保姆还有她推的老太太 三个人": [3],
    "一共5人，3男2女": [5],
    "三个人 一个大人两个小孩": [3],
    "九个人跑出来七个": [9, 7],
    "三人受伤，五人被困": [3, 5],
    # Taken back.
    "不是三个是四个": [4],
    "不是三个，刚点完名，是两个": [2],
    "更正 被困人数应为17不是71": [17],
    "更正一下，刚报三个失联，点完名是五个": [5],
    "三个人，不对，四个人": [4],
}
ENGLISH = {
    "3 people hurt": [3],
    "1,200 people": [1200],
    "twenty-five workers": [25],
    "two hundred and fifty people": [250],
    "four dancers in there": [4],
    "two fellas on the roof": [2],
    "three with bloody faces": [3],
    "hikers stuck, 5": [5],
    "fishermen on the gravel bar X4": [4],
    "six hurt": [6],
    "20 in the water": [20],
    "they pulled three out": [3],
    "victims 2": [2],
    "11 POB": [11],
    "we are 14": [14],
    "eleven of us": [11],
    "both of them": [2],
    "twins": [2],
    "my twins": [2],
    "a couple on the roof": [2],
    "family of five": [5],
    "crew of 12 sprayed": [12],
    "a couple of people": [2],
    "a few people": [3],
    "several people": [3],
    "a dozen people": [12],
    "half a dozen workers": [6],
    "two or three kids": [2],
    "2-3 people": [2],
    "me and my two kids": [3],
    "mom and two kids": [3],
    "my wife and I": [2],
    "me my wife and the baby": [3],
    "two kids and a woman": [3],
    "three firefighters and two cops": [5],
    "two people hurt, four people trapped": [2, 4],
    "six of us went in and five came out": [6, 5],
    "two, no, three": [3],
    "two people trapped, make that 4": [4],
    "three people, no, four people": [4],
    "not 2 hurt, 3": [3],
}
NOBODY = (
    *("三十五岁", "35岁男子", "5楼着火", "3号楼冒烟", "十二点", "两个小时", "三个月没人补"),
    *("三百块", "1.2万元", "三只狗", "两辆车", "五公里", "302室", "303的姑娘", "第三医院"),
    *("喝了两口", "三个手指头没了", "六个空药盒子", "三个土包", "箱子倒了两个"),
    *("眼睛一大一小", "两个窟窿", "十五号楼", "110", "两位数", "五个台阶", "灭火器打了六个没用"),
    *("3 dogs", "two cows", "5 floors", "room 12 on fire", "three hours", "two cars", "unit 5 in"),
    *(
        "aged 7",
        "my daughter, 7, is in the lift",
        "$20",
        "at 5 in the morning",
        "10-50 on route 16",
    ),
    *("engine 3 on scene", "in 2022 in a restroom", "five miles", "a man", "stuck for two days"),
    *("between nine and ten with smoke", "two trailers", "three generators inside", ""),
)


@pytest.mark.parametrize(("text", "people"), [*CHINESE.items(), *ENGLISH.items()])
def test_what_counts_people(text: str, people: list[int]) -> None:
    assert [one.people for one in people_in(plain(text))] == people


@pytest.mark.parametrize("text", NOBODY)
def test_what_counts_nobody(text: str) -> None:
    assert people_in(plain(text)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("楼上有三个工人被困", "三个工人"),
        ("Upstairs FOUR WORKERS are hurt", "FOUR WORKERS"),
        ("快来，两个孩子和一个老人在里面", "两个孩子和一个老人"),
        ("help me and my two kids", "me and my two kids"),
    ],
)
def test_a_count_says_where_it_stands(text: str, said: str) -> None:
    (count,) = people_in(text)
    assert text[count.start : count.end] == said


_PIECES = st.sampled_from(
    [
        *CHINESE,
        *ENGLISH,
        *NOBODY,
        "不是",
        "是",
        "和",
        " and ",
        "no, ",
        "，",
        ". ",
        "9" * 7,
        "万",
        "İ",
    ]
)


@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=6).map("".join)))
def test_counts_lie_in_any_text_apart_from_each_other(text: str) -> None:
    end = 0
    for one in people_in(text):
        assert end <= one.start < one.end <= len(text)
        assert 1 <= one.people <= MOST
        end = one.end
