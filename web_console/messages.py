"""Every sentence that the API says to a person, in 简体中文 and English.

For: choosing the language of an answer and translating what pydantic found wrong. Not for: texts
of the pages (their own catalogue). Relies on pydantic's error types, which are its stable
names; a type without a sentence here gets the general one (:data:`GENERAL`), and a test proves
that no request body of ours can reach that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

Language: TypeAlias = Literal["zh", "en"]

GENERAL: Final = "general"

FIELD_SENTENCES: Final[Mapping[str, tuple[str, str]]] = {
    GENERAL: ("这个值无法识别。", "This value can't be read."),
    "missing": ("缺少此项。", "This field is missing."),
    "extra_forbidden": (
        "没有这个字段，请检查拼写。",
        "There is no such field; mind the spelling.",
    ),
    "json_invalid": ("不是有效的 JSON：{error}", "This is not valid JSON: {error}"),
    "json_too_deep": ("嵌套层数过多。", "This is nested too deeply."),
    "not_utf8": ("文本必须是 UTF-8 编码。", "Text must be encoded in UTF-8."),
    "empty_report": (
        "请至少提供文字、类别、代码或照片之一。",
        "Give at least a text, a category, a code or a photo.",
    ),
    "unknown_category": ("没有类别“{value}”。", "There is no category {value!r}."),
    "no_area": (
        "请用且只用一种方式说明位置：经纬度加半径、至少三个角的多边形，或路段编号。",
        "Say where, in one way: lon, lat and radius_m together, a ring of at least three corners, "
        "or edges.",
    ),
    "half_a_place": (
        "经度和纬度必须同时提供。",
        "Longitude and latitude belong together: give both or neither.",
    ),
    "no_place": (
        "0, 0 不是有效位置，多为程序在位置未知时填写；不知道位置时请都不填。",
        "0, 0 is no place, but what a program writes where it knows none; then leave both out.",
    ),
    "outside_cells": (
        "经度 {lon}、纬度 {lat} 不在任何单元网格内，设备仍已登记。本市网格位于经度 {west} 至 "
        "{east}、纬度 {south} 至 {north}，请核对是否写反或缺少负号。",
        "Longitude {lon}, latitude {lat} lies outside of every cell; the device is registered all "
        "the same. The cells lie in longitude {west} to {east}, latitude {south} to {north}: look "
        "whether the numbers are swapped or lack a sign.",
    ),
    "fact": (
        "必须是 true、false、整数或不超过 500 字的文字。",
        "This must be true, false, a whole number or a text of at most 500 characters.",
    ),
    "senml": (
        "不是可读的 SenML 数据包（RFC 8428）：必须是由记录组成的 JSON 数组。",
        "This is not a SenML pack (RFC 8428) that can be read: it must be a JSON list of records.",
    ),
    "senml_json": (
        "不是可读的 SenML 数据包（RFC 8428）：第 {value} 字节处不是有效的 JSON。",
        "This is not a SenML pack (RFC 8428) that can be read: its JSON is broken at byte {value}.",
    ),
    "senml_too_many": (
        "SenML 数据包有 {value} 条记录，最多 {limit} 条。",
        "The SenML pack has {value} records; send {limit} at most.",
    ),
    "senml_version": (
        "无法识别 SenML 版本 {value}（bver）。",
        "The SenML version {value} (bver) is not known.",
    ),
    "senml_must": (
        "字段“{value}”要求必须理解（以 _ 结尾），本系统无法识别。",
        "The field {value!r} must be understood (it ends with _), and is not known here.",
    ),
    "foreign_jurisdiction": (
        "这里没有辖区“{value}”；有：{known}（及其演练，或 *）。",
        "There is no jurisdiction {value!r} here; there is: {known} (or an exercise of one, or *).",
    ),
    "foreign_device": (
        "名称“{value}”不属于设备“{device}”，写法为 {device}/量名。",
        "The name {value!r} isn't of device {device!r}; write {device}/quantity.",
    ),
    "device_name": (
        "设备编号“{value}”不对，只用 A-Z a-z 0-9 -:./_，以字母或数字开头。",
        "{value!r} can't be a device's id; write it in A-Z a-z 0-9 -:./_, "
        "a letter or figure first.",
    ),
    "unknown_cell": ("没有单元网格“{value}”。", "There is no cell {value!r}."),
    "senml_empty": (
        "没有可读的数值：请以 v（数字）或 vb（布尔值）提供。",
        "There is no reading in it: send numbers as v or booleans as vb.",
    ),
    "senml_record": (
        "这条记录无法识别：字段“{value}”的类型或范围不对（bn、bu、n、u、vs、vd 为文字，"
        "vb 为布尔值，bver 为整数，其余为数字）。",
        "This record can't be read: the field {value!r} has a wrong type or range (bn, bu, n, u, "
        "vs and vd are text, vb is a boolean, bver a whole number, the others are numbers).",
    ),
    "senml_base": (
        "这条记录所依据的第 {value} 条记录无法识别。",
        "Record {value}, on which this one builds, can't be read.",
    ),
    "senml_name": (
        "名称“{value}”不对，写法为 设备/量名，只用 A-Z a-z 0-9 -:./_。",
        "The name {value!r} is wrong; write device/quantity in A-Z a-z 0-9 -:./_.",
    ),
    "senml_time": (
        "时间 {value} 不对：请用 1970 年以来的秒数，或相对于现在的秒数。",
        "The time {value} is none; send seconds since 1970, or seconds from now.",
    ),
    "senml_value": ("数值必须是有限的数字。", "The value must be a finite number."),
    "senml_values": ("一条记录只能有一个值。", "A record may have one value only."),
    "senml_text": (
        "“{value}”用于报警，必须是数字或布尔值。",
        "{value!r} raises alarms, so it must be a number or a boolean.",
    ),
    "senml_unit": (
        "单位无法用于报警规则（{value}）。可用单位：{error}。",
        "No alarm rule can use this unit ({value}). Usable are: {error}.",
    ),
    "string_type": ("必须是文字。", "This must be text."),
    "string_unicode": ("文字含有无法识别的字符。", "The text has characters that can't be read."),
    "string_too_long": ("最多 {max_length} 个字符。", "At most {max_length} characters."),
    "string_too_short": ("至少 {min_length} 个字符。", "At least {min_length} characters."),
    "string_pattern_mismatch": (
        "含有不允许的字符或格式不对。",
        "This has characters that aren't allowed, or the wrong form.",
    ),
    "account_name": (
        "姓名须为 1 至 100 个可见字符，首尾不能有空格，“/”不能在首尾或连写。",
        "A name has 1 to 100 visible characters, no space at its ends, and / neither first, last "
        "nor twice.",
    ),
    "bytes_type": ("必须是文件。", "This must be a file."),
    "float_type": ("必须是数字。", "This must be a number."),
    "float_parsing": ("必须是数字。", "This must be a number."),
    "finite_number": ("必须是有限的数字。", "This must be a finite number."),
    "int_type": ("必须是整数。", "This must be a whole number."),
    "int_parsing": ("必须是整数。", "This must be a whole number."),
    "int_parsing_size": ("数字过大。", "This number is too large."),
    "int_from_float": ("必须是整数，不能有小数。", "This must be a whole number."),
    "bool_type": ("必须是 true 或 false。", "This must be true or false."),
    "bool_parsing": ("必须是 true 或 false。", "This must be true or false."),
    "greater_than": ("必须大于 {gt}。", "This must be greater than {gt}."),
    "greater_than_equal": ("不能小于 {ge}。", "This must be {ge} or more."),
    "less_than": ("必须小于 {lt}。", "This must be less than {lt}."),
    "less_than_equal": ("不能大于 {le}。", "This must be {le} or less."),
    "datetime_type": (
        "必须是日期时间，例如 2026-01-31T08:30:00+08:00。",
        "This must be a date and time, such as 2026-01-31T08:30:00Z.",
    ),
    "datetime_parsing": (
        "不是有效的日期时间，写法如 2026-01-31T08:30:00+08:00。",
        "This is no date and time; write it like 2026-01-31T08:30:00Z.",
    ),
    "datetime_from_date_parsing": (
        "不是有效的日期时间，写法如 2026-01-31T08:30:00+08:00。",
        "This is no date and time; write it like 2026-01-31T08:30:00Z.",
    ),
    "datetime_object_invalid": (
        "不是有效的日期时间，写法如 2026-01-31T08:30:00+08:00。",
        "This is no date and time; write it like 2026-01-31T08:30:00Z.",
    ),
    "timezone_aware": (
        "时间缺少时区，请在末尾加 Z 或 +08:00。",
        "The time has no zone; add Z or an offset such as -08:00 at its end.",
    ),
    "year_range": (
        "年份必须在 {first} 至 {last} 之间。",
        "The year must lie between {first} and {last}.",
    ),
    "enum": ("必须是以下之一：{expected}。", "This must be one of {expected}."),
    "literal_error": ("必须是以下之一：{expected}。", "This must be one of {expected}."),
    "uuid_type": ("必须是 UUID。", "This must be a UUID."),
    "uuid_parsing": ("不是有效的 UUID。", "This is not a UUID."),
    "list_type": ("必须是列表。", "This must be a list."),
    "tuple_type": ("必须是列表。", "This must be a list."),
    "too_long": ("最多 {max_length} 项。", "At most {max_length} items."),
    "too_short": ("至少 {min_length} 项。", "At least {min_length} items."),
    "dict_type": ("必须是对象。", "This must be an object."),
    "model_type": ("必须是 JSON 对象。", "This must be a JSON object."),
    "model_attributes_type": (
        "必须是 JSON 对象（Content-Type: application/json）。",
        "This must be a JSON object, sent as application/json.",
    ),
    "union_tag_invalid": (
        "必须是以下之一：{expected_tags}。",
        "This must be one of {expected_tags}.",
    ),
    "union_tag_not_found": ("缺少 type。", "The field type is missing."),
    "value_error": ("这个值不对：{error}", "This value is wrong: {error}"),
}

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "validation": ("提交的内容有误", "What was sent can't be used"),
    "not_signed_in": ("请先登录", "Please sign in"),
    "wrong_password": ("姓名或密码不对", "Name or password is wrong"),
    "wrong_present_password": ("当前密码不对", "The present password is wrong"),
    "link_used": ("链接已使用或已过期", "This link was used or has expired"),
    "not_allowed": ("您没有这项权限", "You are not allowed to do this"),
    "foreign_origin": ("请求来自其他网站", "The request came from another site"),
    "unknown": ("没有找到", "Not found"),
    "conflict": ("与现有内容冲突", "This conflicts with what is there"),
    "no_drill": ("目前没有演练", "No drill is there"),
    "method": ("不支持的方法", "This method is not allowed here"),
    "too_large": ("内容过大", "Too large"),
    "unsupported_type": ("不支持的格式", "This format is not accepted"),
    "too_many_tries": ("尝试次数过多，请稍后再试", "Too many tries; wait a little"),
    "database_away": ("暂时无法保存，请稍后重试", "It can't be saved right now; try again soon"),
    "broker_away": ("暂时无法接收数据，请稍后重试", "It can't be passed on now; try again soon"),
    "not_ready": ("系统尚未就绪", "Not ready yet"),
    "disk_full": ("服务器磁盘已满", "The server's disk is full"),
    "internal": ("系统内部错误，已记录", "Something broke inside; it is in the log"),
    "bad_request": ("请求有误", "The request can't be understood"),
}

DETAILS: Final[Mapping[str, tuple[str, str]]] = {
    "fields": ("有 {count} 处需要修改。", "{count} field(s) need attention."),
    "role": ("需要“{role}”或更高权限。", "This needs the role {role} or higher."),
    "jurisdiction": ("您不属于辖区“{value}”。", "You don't belong to jurisdiction {value!r}."),
    "jurisdiction_unknown": (
        "这里没有辖区“{value}”，本系统负责“{home}”及其演练。",
        "There is no jurisdiction {value!r} here: this console is of {home!r} and its exercises.",
    ),
    "start_drill": (
        "“{value}”没有演练，或演练已结束。请在服务器上运行 gridcommand drill run，"
        "或回到非演练一侧。",
        "{value!r} has no drill, or its drill is over. Start one on the server with gridcommand "
        "drill run, or go back to live.",
    ),
    "no_jurisdiction": (
        "您的账号还没有辖区，请联系管理员。",
        "Your account has no jurisdiction yet; ask an administrator.",
    ),
    "sign_in": ("登录已过期或尚未登录。", "You aren't signed in, or it has expired."),
    "link": ("请向管理员索取新链接。", "Ask an administrator for a new one."),
    "wait": ("请在 {seconds} 秒后再试。", "Try again in {seconds} s."),
    "retry": (
        "没有保存任何内容。请用相同的编号重新发送。",
        "Nothing was saved. Send it again with the same id.",
    ),
    "photo_size": ("照片不能超过 {limit} MB。", "A photo may have {limit} MB at most."),
    "body_size": ("内容不能超过 {limit} KB。", "This may have {limit} KB at most."),
    "photo_type": ("只接受 JPEG、PNG 和 WebP 照片。", "Photos must be JPEG, PNG or WebP."),
    "photo_broken": ("照片损坏，无法打开。", "The photo is damaged and can't be opened."),
    "photo_pixels": (
        "照片像素过多，最多 {limit} 百万。",
        "The photo has too many pixels; {limit} million is the most.",
    ),
    "json_only": ("请以 application/json 发送。", "Send it as application/json."),
    "multipart_only": ("请以 multipart/form-data 发送。", "Send it as multipart/form-data."),
    "senml_only": ("请以 application/senml+json 发送。", "Send it as application/senml+json."),
    "disk": (
        "照片没有保存，文字上报不受影响。请通知管理员清理磁盘。",
        "The photo was not saved; reports without photos still work. Tell an administrator.",
    ),
    "not_there": ("没有“{value}”。", "There is no {value!r}."),
    "no_page": ("没有这个地址。", "There is nothing at this address."),
    "taken": ("“{value}”已存在。", "{value!r} exists already."),
    "other_content": (
        "编号“{value}”已用于另一内容，请换一个编号。",
        "The id {value!r} was used for something else; take a new one.",
    ),
    "metrics_token": (
        "指标只供本机读取，或凭 metrics_token 读取。",
        "Metrics are for this machine, or for who says the metrics_token.",
    ),
    "not_your_task": ("这项任务不由您负责。", "This task isn't yours."),
    "not_your_unit": ("这支力量不由您负责。", "This unit isn't yours."),
    "drill_only": ("该辖区没有正在进行的演练。", "No drill is running in this jurisdiction."),
    "weak_password": (
        "密码至少 {min_length} 个字符。",
        "A password has at least {min_length} characters.",
    ),
    "body_unreadable": ("正文无法解析。", "The body can't be parsed."),
    "device": ("设备编号或密钥不对。", "Device id or key is wrong."),
    "method": ("此地址不支持 {value}。", "{value} is not supported at this address."),
    "log": ("请把编号 {value} 告诉管理员。", "Tell an administrator this number: {value}"),
    "parts": ("尚未就绪：{value}。", "Not ready: {value}."),
    "origin": ("请在本系统的页面上操作。", "Use the pages of this system."),
}

ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "grid_worker": ("网格员", "grid worker"),
    "dispatcher": ("调度员", "dispatcher"),
    "commander": ("指挥长", "commander"),
    "admin": ("管理员", "administrator"),
}


def language_of(asked: str | None, chosen: str | None, accept: str, default: Language) -> Language:
    """Return the language to answer in: ``?lang``, then the session's, then the browser's.

    Parameters
    ----------
    accept
        An ``Accept-Language`` header; quality values are respected, what we don't speak skipped.
    """
    for wish in (asked, chosen):
        if wish and (found := _known(wish)):
            return found
    ranked: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accept.split(",")):
        tag, _, quality = part.partition(";")
        found = _known(tag)
        if found is None:
            continue
        try:
            weight = float(quality.partition("=")[2] or 1.0)
        except ValueError:
            weight = 0.0
        if weight > 0:
            ranked.append((-weight, place, found))
    return min(ranked)[2] if ranked else default


def field_sentence(kind: str, language: Language, context: Mapping[str, Any]) -> str:
    """Return what is wrong with a field; ``kind`` is pydantic's error type or one of ours."""
    known = FIELD_SENTENCES.get(kind) or FIELD_SENTENCES[GENERAL]
    if language == "zh" and "expected" in context:
        # Pydantic lists values as "'I', 'II' or 'III'".
        values = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        context = {**context, "expected": values.replace(", ", "、")}
    return _fill(known, language, context)


def title(code: str, language: Language) -> str:
    """Return a problem's title."""
    return _fill(TITLES[code], language, {})


def detail(key: str, language: Language, context: Mapping[str, Any]) -> str:
    """Return a problem's detail."""
    return _fill(DETAILS[key], language, context)


def role_name(role: str, language: Language) -> str:
    """Return what a role is called."""
    return _fill(ROLES[role], language, {})


def _fill(pair: tuple[str, str], language: Language, context: Mapping[str, Any]) -> str:
    return pair[0 if language == "zh" else 1].format_map(_Known(context))


def _known(tag: str) -> Language | None:
    match tag.strip().lower()[:2]:
        case "zh":
            return "zh"
        case "en":
            return "en"
    return None


class _Known(dict[str, Any]):
    # An error without the expected context must still be told.
    def __missing__(self, key: str) -> str:
        return "…"
