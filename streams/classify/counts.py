"""How many people a text speaks of, in people's ways of saying it, and where it says so.

For: :mod:`streams.classify.facts`, which knows what happened to them. Chinese and English; numbers
in digits and words, pairs and families (两口子, 一家四口, "me and my two kids"), vague ones
(十来个, "several"), corrections (不是三个是四个, "two, no, three"). Not counted: ages, floors, times, money,
house numbers, animals, things.

Pure. Works on the plain form (:mod:`models.plain_text`).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MOST: Final = 100_000
"""A larger number counts no people of one report."""


class Count(NamedTuple):
    """A number of people and the characters ``start`` up to ``end`` that say it."""

    people: int
    start: int
    end: int


_HAN: Final = {char: value for value, char in enumerate("零一二三四五六七八九")} | {
    "两": 2,
    "俩": 2,
    "仨": 3,
    "幺": 1,
    "〇": 0,
}
_UNITS: Final = {"十": 10, "百": 100, "千": 1000, "万": 10000}
_NUMBER_ZH: Final = r"(?:\d{1,6}|[零一二三四五六七八九十百千万两〇]{1,7})"
_VAGUE_ZH: Final = {
    "十几": 10, "十来": 10, "十多": 10, "十余": 10, "几十": 20, "数十": 20, "好几十": 20,
    "上百": 100, "几百": 200, "数百": 200, "好几": 3, "几": 3, "数": 3, "若干": 3, "好些": 3,
    "一群": 5, "一帮": 5, "一堆": 5, "一串": 5,
}  # fmt: skip
_PEOPLE_ZH: Final = (
    "人|人员|工人|村民|居民|群众|乘客|学生|同学|老人|老头|老太|老太太|老奶奶|老爷爷|老爹|大爷|大妈|"
    "大叔|阿姨|小孩|孩子|娃|娃娃|娃儿|小朋友|儿童|婴儿|宝宝|男的|女的|男子|女子|男孩|女孩|男生|女生|"
    "小伙|小伙子|姑娘|女人|男人|妇女|孕妇|司机|驾驶员|员工|职工|同事|师傅|工友|民工|保安|护士|医生|"
    "病人|伤员|伤者|病号|患者|游客|客人|顾客|旅客|驴友|钓鱼的|外地人|老外|警察|消防员|队员|儿子|女儿|"
    "闺女|孙子|孙女|弟弟|妹妹|哥哥|姐姐|伢|小囡|囡囡|小鬼|囝|家属|邻居|租客|房客|业主|骑手|快递员|"
    "大人|成年人|活人|死人|兄弟|哥们|小姐姐|妹子|老乡|香客|船员|矿工|焊工|电工|木工|瓦工|清洁工|保洁"
)
_NOT_PEOPLE_ZH: Final = re.compile(
    r"(?:多|来|余)?(?:小时|钟头|钟|月|星期|礼拜|学期|世纪|单元|路口|红绿灯|轮|罐|桶|箱|井|洞|灯|包|袋|"
    r"瓶|坑|电话|垃圾|摊|蛋|西瓜|苹果|房间|车间|教室|楼|小区|村|镇|厂|店|门|窗|口子|方向|点|问题|地方|"
    r"办法|意思|瓦斯|煤气|液化气|气瓶|钢瓶|打火机|轮胎|车位|车道|泵|闸|炮|响|事|东西|大字|字|群|视频|"
    r"项目|标段|探头|摄像头|充电|电瓶|插座|锅炉|烟囱|集装箱|编织袋|木箱|纸箱|盒子|行李|箱子)"
)
_KIN_ZH: Final = re.compile(
    r"(?P<family>一家|全家|一家子|全家人)(?:老小|老少|总共|一共)?(?P<mouths>[0-9两二三四五六七八九十]{1,2})(?:口|个)|"
    r"(?P<sides>[0-9一两二三四五六七八九])(?:个)?大(?P<small>[0-9一两二三四五六七八九])(?:个)?小|"
    r"(?P<pair>老两口|小两口|两口子|夫妻俩|夫妻二人|夫妻两|夫妇俩|夫妇二人|夫妇两|母女俩|母子俩|父子俩|父女俩|"
    r"婆媳俩|姐妹俩|兄弟俩|姐弟俩|兄妹俩|祖孙俩|爷孙俩|娘儿俩|娘俩|爷俩|哥俩|姐俩|公婆俩|师徒俩|"
    r"夫妻|夫妇|母女|母子|父子|父女|双胞胎|情侣|小情侣|龙凤胎)|"
    r"(?P<three>母女三人|母子三人|父子三人|父女三人|祖孙三人|娘儿三|娘仨|爷仨|祖孙三代|哥仨|姐仨|三胞胎)"
)
_ZH: Final = re.compile(
    r"(?P<vague>"
    + "|".join(sorted(_VAGUE_ZH, key=len, reverse=True))
    + r")(?P<vague_unit>个|名|位|口|号)?"
    r"(?P<vague_noun>[^\s，。,.!?！？；;、]{0,4}?(?:" + _PEOPLE_ZH + r"))?|"
    r"(?P<pair>[俩仨])(?P<pair_noun>[^\s，。,.!?！？；;、]{0,3}?(?:" + _PEOPLE_ZH + r"))?|"
    r"(?P<number>" + _NUMBER_ZH + r")(?P<more>来|多|余)?"
    r"(?P<unit>个|名|位|口|号|条命)?"
    r"(?P<noun>[^\s，。,.!?！？；;、]{0,5}?(?:" + _PEOPLE_ZH + r"))?"
)
_AFTER_NUMBER_ZH: Final = re.compile(
    r"\s*(?:岁|周岁|楼|层|幢|栋|号楼|号|室|单元|路|街|巷|弄|组|点|时|分|秒|天|日|月|年|小时|米|公里|里|公分|"
    r"厘米|元|块|毛|斤|吨|度|辆|台|部|架|艘|条|只|头|匹|棵|根|间|户|家|次|车|瓶|桶|包|袋|箱|片|粒|颗|盒|杯|"
    r"挂|排|桌|圈|段|件|套|张|把|%|％|千瓦|伏|万|亿|平|方|亩|遍|回|趟|起|班|年级|栋|路车|级|节)"
)
_CORRECTED_ZH: Final = re.compile(
    r"不是(?P<wrong>[^，。,.;；\s]{1,8}?)[，,、 ]*"
    r"(?:而是|应该是|应为|是)(?P<right>[^，。,.;；]{1,8})"
)

_EN_SMALL: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_EN_NUMBERS: Final = {word: value for value, word in enumerate(_EN_SMALL.split())} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
    "hundreds": 200,
    "dozen": 12,
    "dozens": 24,
    "both": 2,
    "couple": 2,
    "pair": 2,
    "twins": 2,
    "several": 3,
    "few": 3,
    "half a dozen": 6,
}
_EN_PEOPLE: Final = (
    "people|persons?|folks?|peeps|men|man|women|woman|guys?|fellas?|blokes?|lads?|dudes?|ladies|lady|gals?|"
    "kids?|child|children|boys?|girls?|bab(?:y|ies)|infants?|toddlers?|teens?|teenagers?|students?|"
    "pupils?|workers?|ironworkers?|labou?rers?|employees|staff|crew|crewmen|passengers?|riders?|"
    "drivers?|patients?|victims?|casualt(?:y|ies)|residents?|tenants?|neighbou?rs?|guests?|customers?|"
    "tourists?|hikers?|campers?|swimmers?|surfers?|kayakers?|climbers?|divers?|skiers?|cyclists?|"
    "pedestrians?|adults?|seniors?|elders?|elderly|firefighters?|officers?|souls?|occupants?|"
    "brothers?|sisters?|sons?|daughters?|cousins?|friends?|buddies|roommates?|coworkers?|males?|"
    "females?|miners?|welders?|roofers?|painters?|cooks?|fishermen|bodies|humans|pax|vics?|pts?"
)
_EN_NUMBER: Final = (
    r"\d{1,5}|half a dozen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)[- ]?"
    r"(?:one|two|three|four|five|six|seven|eight|nine)?|"
    + "|".join(sorted(_EN_NUMBERS, key=len, reverse=True))
)
_EN: Final = re.compile(
    r"\b(?:a |an )?(?P<number>" + _EN_NUMBER + r")\b"
    r"(?:(?P<of> of (?:us|them|you|the|my|our))|"
    r"(?: (?:other|more|or so|little|small|young|old|older|elderly|adult|different|of the|of my|of"
    r"|unconscious|injured|trapped|missing|dead|male|female|trained|construction|off-duty|[a-z]+ing|"
    r"[a-z]+ed|[a-z]+))?(?P<noun> (?:" + _EN_PEOPLE + r"))\b)"
)
_EN_WE: Final = re.compile(
    r"\bwe(?:'re| are|re) (?:all )?(?P<number>"
    + _EN_NUMBER
    + r")\b(?! (?:miles?|minutes?|feet|blocks?|cars?))"
)
_EN_SHORT: Final = re.compile(
    r"\b(?P<number>" + _EN_NUMBER + r")[ -](?:injured|hurt|dead|trapped|missing|down|unaccounted|"
    r"inside|aboard|on board|pinned|unconscious|wounded|shot|stabbed|sick|vomiting|killed|deceased|"
    r"stuck|buried|burned|burnt|overboard|in the water)\b"
)
_EN_AND_I: Final = re.compile(
    r"\b(?:me|i|mom|mum|mother|dad|father|woman|man|lady|guy|wife|husband|grandma|nan|teacher)"
    r"(?:,)? (?:and|with|plus|\+|&)(?: (?:my|her|his|their|the))? (?P<number>" + _EN_NUMBER + r") "
    r"(?:small |little |young )?"
    r"(?:kids?|children|sons?|daughters?|bab(?:y|ies)|boys?|girls?|friends?|others?|students)\b"
)
_EN_PAIR: Final = re.compile(
    r"\b(?:me and (?:my|the|a) (?!two|three|four|five|\d)[a-z]+|my [a-z]+ and (?:i|me)|"
    r"(?:a|the|an|old|elderly|young) couple(?! of)|mother and (?:child|son|daughter|baby)|"
    r"mom and (?:kid|son|daughter|baby)|husband and wife|man and (?:a )?woman|both of (?:us|them)|"
    r"them both|us both|the two of us|the twins|my parents|his parents|her parents|grandparents)\b"
)
_EN_CORRECTED: Final = re.compile(
    r"\b(?P<wrong>"
    + _EN_NUMBER
    + r")\b[ ,.…-]*(?:no|sorry|wait|correction|scratch that|i mean|make that|actually)"
    r"[ ,.:…-]*(?:(?:no|wait|it's|that's|make that)[ ,]*)?(?P<right>" + _EN_NUMBER + r")\b"
)


def people_in(text: str) -> list[Count]:
    """Return the numbers of people that a plain text says, in its order, none within another."""
    low = text.lower()
    found = [*_chinese(low), *_english(low)]
    found.sort(key=lambda one: (one.start, one.start - one.end))
    kept: list[Count] = []
    for one in found:
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return _corrected(low, kept)


def _chinese(text: str) -> list[Count]:
    found: list[Count] = []
    for match in _KIN_ZH.finditer(text):
        people = 2
        if match["family"]:
            people = _han(match["mouths"])
        elif match["sides"]:
            people = _han(match["sides"]) + _han(match["small"])
        elif match["three"]:
            people = 3
        found.append(Count(people, *match.span()))
    for match in _ZH.finditer(text):
        if match["pair"]:
            found.append(Count(_HAN[match["pair"]], *match.span()))
        elif match["vague"]:
            if match["vague_noun"] or match["vague_unit"] or len(match["vague"]) > 1:
                rest = text[match.end() :]
                is_thing = not match["vague_noun"] and (
                    _NOT_PEOPLE_ZH.match(rest) or _AFTER_NUMBER_ZH.match(rest)
                )
                if not is_thing:
                    found.append(Count(_VAGUE_ZH[match["vague"]], *match.span()))
        else:
            people = _of_number(text, match)
            if people is not None:
                found.append(people)
    return found


def _of_number(text: str, match: re.Match[str]) -> Count | None:
    unit, noun = match["unit"], match["noun"]
    rest = text[match.end() :]
    value = _han(match["number"])
    if not 0 < value <= MOST:
        return None
    if match.start() and (
        text[match.start() - 1].isdigit() or text[match.start() - 1] in "第.-—:/"
    ):
        return None
    number_end = match.end("number")
    if not unit and _AFTER_NUMBER_ZH.match(text[number_end:]):
        return None
    if unit == "号" and not noun:
        return None
    if noun:
        if not unit and len(noun) > 4:
            return None
        return Count(value, *match.span())
    if unit and not _NOT_PEOPLE_ZH.match(rest):
        return Count(value, match.start(), match.end())
    return None


def _english(text: str) -> list[Count]:
    found: list[Count] = []
    for match in _EN_AND_I.finditer(text):
        found.append(Count(1 + _english_number(match["number"]), *match.span()))
    for pattern in (_EN, _EN_WE, _EN_SHORT):
        for match in pattern.finditer(text):
            value = _english_number(match["number"])
            if 0 < value <= MOST:
                found.append(Count(value, *match.span()))
    found += [Count(2, *match.span()) for match in _EN_PAIR.finditer(text)]
    return found


def _corrected(text: str, counts: list[Count]) -> list[Count]:
    """Drop numbers that the text itself takes back."""
    for match in _CORRECTED_ZH.finditer(text):
        start, end = match.span("wrong")
        counts = [one for one in counts if not start <= one.start < end]
    for match in _EN_CORRECTED.finditer(text):
        start, end = match.span("wrong")
        right = _english_number(match["right"])
        counts = [one for one in counts if not start <= one.start < end]
        if not any(one.start <= match.start("right") < one.end for one in counts):
            counts.append(Count(right, *match.span("right")))
    return counts


def _han(digits: str) -> int:
    if digits.isdecimal() and digits.isascii():
        return int(digits)
    total, section, digit = 0, 0, 0
    has_unit = False
    for char in digits:
        if char in _UNITS:
            unit, has_unit = _UNITS[char], True
            if unit == 10000:
                total, section, digit = (total + section + digit) * unit, 0, 0
            else:
                section += (digit or 1) * unit
                digit = 0
        else:
            digit = digit * (1 if has_unit else 10) + _HAN[char] if not has_unit else _HAN[char]
    return total + section + digit


def _english_number(words: str) -> int:
    if words.isdecimal():
        return int(words)
    if words in _EN_NUMBERS:
        return _EN_NUMBERS[words]
    return sum(_EN_NUMBERS.get(part, 0) for part in re.split(r"[- ]", words))
