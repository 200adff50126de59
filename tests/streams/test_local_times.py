"""Times are read as spreadsheets and portals write them, dates in one order."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from streams.local_times import NO_TIME, LocalTimes, MixedOrderError, Order

SF = LocalTimes(ZoneInfo("America/Los_Angeles"))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2017/1/1 0:01", "2017-01-01 08:01:00"),
        ("2017年1月1日 0:01:00", "2017-01-01 08:01:00"),
        ("2017年1月1日0时01分", "2017-01-01 08:01:00"),
        ("2017/1/1 下午 3:05:06", "2017-01-01 23:05:06"),
        ("2017-01-01 上午12:30", "2017-01-01 08:30:00"),
        ("２０１７／１／１　０：０１", "2017-01-01 08:01:00"),
        ("2016-12-31 11:59:59 PM", "2017-01-01 07:59:59"),
        ("12/31/2016 12:00 a.m.", "2016-12-31 08:00:00"),
        ("2017-01-01 12:00 PM", "2017-01-01 20:00:00"),
        ("2016-12-31 24:00:00", "2017-01-01 08:00:00"),
        ("2016-12-31 24:00", "2017-01-01 08:00:00"),
        ("2016-12-31 15:59:60", "2016-12-31 23:59:59.999"),
        ("2016-12-31T23:59:60Z", "2016-12-31 23:59:59.999"),
        ("2016-12-31T23:59:60.25+00:00", "2016-12-31 23:59:59.999"),
        ("20170101T000100-0800", "2017-01-01 08:01:00"),
        ("2017-01-01 00:01:00+08", "2016-12-31 16:01:00"),
        ("2017-01-01T00:01:00.123456789", "2017-01-01 08:01:00.123456"),
        ("31.01.2017 13:00", "2017-01-31 21:00:00"),
    ],
)
def test_each_form_of_a_time_is_read(text: str, utc: str) -> None:
    assert SF.read(text) == (datetime.fromisoformat(utc).replace(tzinfo=UTC), "")


@pytest.mark.parametrize(
    "text",
    [
        "1483257660", "42736.0007", "20170101000100", "01/01/17 00:01", "2017-01-01 00:01:00 PST",
        "2017-02-29 01:00:00", "2017-1-1 25:00", "2017-01-01 24:01:00", "2017-01-01 00:00:61",
        "2017-01-01 00:60", "2017-01-01 13:00 AM", "上午 2017-01-01", "2017-01-01 00:00+99",
        "2017-1/1 00:00", "13/13/2017 00:00", "2017-01-01 下午3:00 PM", "",
    ],
)  # fmt: skip
def test_what_says_no_one_time_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|no day|not believed|before noon|twice|offset"):
        SF.read(text)


def test_a_day_alone_is_its_midnight_and_said_so() -> None:
    assert SF.read("2017-01-01") == (datetime(2017, 1, 1, 8, tzinfo=UTC), NO_TIME)


def test_the_order_of_dates_is_that_of_the_first_day_above_twelve() -> None:
    assert Order.of(["1/2/2017 1:00", "2017-01-13", "13/1/2017 1:00"]) is Order.DAY_FIRST
    assert Order.of(["1-2-2017", "1-13-2017", "13-1-2017"]) is Order.MONTH_FIRST
    assert Order.of(["1/2/2017", "2017-01-01", ""]) is None
    berlin = LocalTimes(ZoneInfo("Europe/Berlin"), Order.DAY_FIRST)
    assert berlin.read("1/2/2017 1:00")[0] == datetime(2017, 2, 1, tzinfo=UTC)
    with pytest.raises(MixedOrderError, match="day/month/year"):
        berlin.read("1/13/2017 1:00")
    with pytest.raises(MixedOrderError, match="month/day/year"):
        SF.read("13/1/2017 1:00")
