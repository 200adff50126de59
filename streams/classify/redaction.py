"""Personal details out of a text that is kept to learn from: who, whose number, whose door.

For: :mod:`streams.classify.teaching`. Not for the journal, which keeps what was said as it was
said. Takes too much rather than too little: an example is as good without a name, and a word that
looks like one is no loss. It knows forms, not people: a name that nothing announces stays, so a
person looks through what is handed out (``gridcommand understanding list``).
"""

from __future__ import annotations

import re
from typing import Final

from models.plain_text import plain

GONE: Final = "..."
"""Stands where something was taken out; the plain form of an ellipsis."""

_LEAST_DIGITS, _LEAST_APART = 6, 7
"""A number so long is somebody's: in one piece, or with blanks and hyphens."""

_SURNAME: Final = (
    "(?:欧阳|上官|司马|诸葛|东方|皇甫|尉迟|夏侯|令狐|慕容|司徒|[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁"
    "谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱"
    "侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤康易乔赖文庞樊殷施洪翟倪柯温季柳鲁霍岳聂齐梅兰"
    "葛祝虞路辛管])"
)
_NO_NAME: Final = (
    "(?!高[中一二三速层空温]|方[便向]|马[路上]|白[天色]|成都|老师|何[时地]|文[化具]|江[边里]|路[过人边上口]"
    "|谢谢|黄河|石头|金[融属]|管[道理]|龙头|万一|毛病|夏天|常[常住]|向[你您])"
)
_GIVEN: Final = r"[^\W\d_a-zA-Z在住的了说是被从和到有家就不这那]"
_HAN_DIGIT: Final = "[0-9〇零一二三四五六七八九十百]"
_WORD: Final = r"[A-Za-z][\w'’-]*"
_CAPITAL: Final = r"[A-Z][\w'’-]*"
_NO_GIVEN: Final = (
    r"(?!(?:and|i|at|on|in|from|the|a|an|calling|there|my|we|he|she|it|is|here|of|with|to|for|please"
    r"|you|not|no)\b)"
)
_NO_DAY: Final = r"(?!(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec))"
_STREET: Final = (
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|court|ct|place|pl|way|terrace"
    r"|ter|circle|cir|highway|hwy|parkway|pkwy|square|sq|alley|crescent|close)\b"
)
_SPOKEN_DIGIT: Final = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"

_NUMBER: Final = re.compile(r"[+(]?\d(?:[ \-–().·/]{0,2}\d)+[xX]?")
_LEFT_OUT: Final = (
    re.compile(r"https?://\S+|www\.\S+", re.ASCII),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII),
    # Licence plates: mainland China; California and Britain; whatever is called one.
    re.compile(
        r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领]\s?[A-Za-z][·•.\s-]?"
        r"(?=[A-Za-z]*\d)[A-Za-z0-9]{4,6}[挂学警港澳]?"
    ),
    re.compile(
        r"\b\d[A-Za-z]{3}\d{3}\b|\b[A-Z]{2}\d{2}\s?[A-Z]{3}\b|\b[A-Z]{3}-?\d{4}\b", re.ASCII
    ),
    re.compile(
        r"(?P<kept>\b(?:plates?|tag|registration)(?:\s+(?:number|no\.?|is|was|reads))*[\s:#]+)"
        r"(?=[\w -]{0,8}\d)[A-Za-z0-9]{1,4}(?:[ -]?[A-Za-z0-9]{1,4})?\b",
        re.ASCII | re.IGNORECASE,
    ),
    re.compile(r"(?P<kept>(?:车牌|牌照)号?码?[是为:\s]*)[A-Za-z0-9]{3,8}", re.ASCII),
    # House and room numbers.
    re.compile(
        r"(?P<kept>\b(?:apt|apartment|unit|room|rm|suite|ste|flat|lot)\b\.?\s*(?:number|no\.?|#)?\s*)"
        r"(?:\d+-?[a-z]?|[a-z]-?\d+|(?-i:[A-HJ-Z]))\b",
        re.ASCII | re.IGNORECASE,
    ),
    re.compile(r"#\s?\d+-?[A-Za-z]?\b", re.ASCII),
    re.compile(
        rf"\b\d{{1,6}}[A-Za-z]?(?=\s+(?:[NSEWnsew]\.?\s+)?(?:(?:[A-Z][\w'’.-]*|\d+(?:st|nd|rd|th))\s+)"
        rf"{{1,3}}(?i:{_STREET}))",
        re.ASCII,
    ),
    re.compile(rf"\b\d{{3,6}}(?=\s+(?:[\w'’.-]+\s+){{1,2}}{_STREET})", re.ASCII | re.IGNORECASE),
    re.compile(
        rf"(?:[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*(?:号楼|栋|幢|弄|座|房)|{_HAN_DIGIT}+(?:号楼|单元|室|弄))"
        rf"(?:[0-9A-Za-z〇零一二三四五六七八九十]+(?:号楼|单元|楼|层|室|号|房))*(?:[0-9]{{2,4}})?"
    ),
    re.compile(rf"{_HAN_DIGIT}+(?:栋|幢|座)[0-9〇零一二三四五六七八九十]+"),
    re.compile(
        r"(?<=[路街道巷弄村组庄里镇乡区苑园])(?:甲|乙|附)?\d+(?:[-—]\d+)*号(?!线|门|口|车|井|机)"
    ),
    re.compile(rf"(?P<kept>(?:门牌号?|房间号|房号|室号)码?[是为:\s]*){_HAN_DIGIT}+"),
    # Names, where something announces one.
    re.compile(rf"(?P<kept>姓名[是为:\s]*){_GIVEN}{{2,4}}"),
    re.compile(rf"(?P<kept>姓\s*)(?!名|氏){_SURNAME}"),
    re.compile(
        rf"(?P<kept>(?:叫做?|名字是|名为|我是|本人)){_NO_NAME}{_SURNAME}(?:{_GIVEN}{{1,2}}|某+)?"
    ),
    re.compile(
        rf"(?:(?<![\u4e00-\u9fff])|(?<=[是叫找的给跟和]))[老小阿]?{_NO_NAME}{_SURNAME}{_GIVEN}{{0,2}}"
        r"(?=先生|女士|小姐|太太|阿姨|叔叔?|大[爷妈娘伯嫂哥姐]|奶奶|爷爷|师傅|老师|医生|主任|经理|书记|警官)"
    ),
    re.compile(rf"(?<![\u4e00-\u9fff])[老小阿]{_SURNAME}(?![\u4e00-\u9fff])"),
    re.compile(rf"{_SURNAME}某+"),
    re.compile(
        r"(?P<kept>\b(?:my (?:full )?name(?:['’]s| is|:)|(?:first |last )?name is|named)\s+)"
        rf"{_NO_GIVEN}{_WORD}(?:\s+{_NO_GIVEN}{_WORD})?",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?P<kept>\b(?:[Ii] am|[Ii]['’]m|[Tt]his is|called|[Nn]ame:)\s+)"
        rf"{_NO_DAY}{_CAPITAL}(?:\s+{_CAPITAL}){{0,2}}"
    ),
    re.compile(
        rf"(?P<kept>\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Officer)\b\.?\s+){_CAPITAL}(?:\s+{_CAPITAL})?"
    ),
    # Numbers that are said, digit by digit.
    re.compile("[〇零一二三四五六七八九幺两]{7,}"),
    re.compile(rf"\b{_SPOKEN_DIGIT}(?:[\s,-]+{_SPOKEN_DIGIT}){{4,}}\b", re.IGNORECASE),
)
_TWICE: Final = re.compile(r"\.\.\.(?:\s*\.\.\.)+")


def redacted(text: str) -> str:
    """Return the plain form of a text on one line, without personal details.

    Phone, identity and other long numbers, e-mail and web addresses, licence plates, names that
    something announces (姓, 叫, 我是, my name is, Mr), numbers of houses and rooms.
    ``redacted(redacted(text)) == redacted(text)``.
    """
    said = " ".join(plain(text).split())
    before = ""
    while said != before:
        before = said
        said = _NUMBER.sub(_number, said)
        for pattern in _LEFT_OUT:
            said = pattern.sub(_without, said)
        said = _TWICE.sub(GONE, said)
    return said


def _without(found: re.Match[str]) -> str:
    return found.groupdict().get("kept", "") + GONE


def _number(found: re.Match[str]) -> str:
    written = found[0]
    digits = sum(char.isdigit() for char in written)
    least = _LEAST_DIGITS if digits == len(written.rstrip("xX")) else _LEAST_APART
    return GONE if digits >= least else written
