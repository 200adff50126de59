"""Any year's calls become a recording; what can't be used is said, and nothing goes missing."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from models.city import CityPack
from models.events import Event, ReportReceived, ServiceRecorded
from models.settings import CHECKOUT
from streams.calls_import import ImportSummary, import_calls
from streams.calls_table import USED, kind_of
from streams.errors import CallsFileError
from streams.local_times import SKIPPED, TWICE, LocalTimes
from streams.recording import Recording

SHIPPED = CHECKOUT / "cities" / "san_francisco" / "drills" / "new_year_2017.jsonl.gz"
GOOD = {
    "call_number": "1",
    "unit_id": "E01",
    "unit_type": "ENGINE",
    "call_type": "Structure Fire",
    "call_type_group": "Fire",
    "priority": "3",
    "number_of_alarms": "1",
    "received": "2019-07-01 12:00:00",
    "on_scene": "2019-07-01 12:05:00",
    "available": "2019-07-01 12:25:00",
    "address": "100 Block of MAIN ST",
    "lat": "37.78",
    "lon": "-122.41",
}


class Importer:
    """Writes small calls files and imports them."""

    def __init__(self, folder: Path, pack: CityPack) -> None:
        self.folder, self.pack = folder, pack

    def __call__(
        self, *rows: dict[str, str], columns: tuple[str, ...] = USED
    ) -> tuple[ImportSummary, list[Event]]:
        path = self.folder / "calls.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        summary = import_calls(path, "made", self.pack, self.folder)
        return summary, list(Recording.load(summary.path).happenings())


@pytest.fixture
def importer(tmp_path: Path, san_francisco: CityPack) -> Importer:
    """An importer for San Francisco."""
    return Importer(tmp_path, san_francisco)


def reports(events: list[Event]) -> list[ReportReceived]:
    return [e.data for e in events if isinstance(e.data, ReportReceived)]


def services(events: list[Event]) -> list[ServiceRecorded]:
    return [e.data for e in events if isinstance(e.data, ServiceRecorded)]


def test_rows_of_one_call_are_one_report_with_what_each_unit_did(importer: Importer) -> None:
    medic = {
        **GOOD, "unit_id": "53", "unit_type": "MEDIC", "on_scene": "2019-07-01 12:06:00",
        "transport": "2019-07-01 12:20:00", "hospital": "2019-07-01 12:30:00",
        "available": "2019-07-01 13:00:00",
    }  # fmt: skip
    summary, events = importer({**GOOD, "unit_id": "E01"}, medic)
    (report,) = reports(events)
    assert report.code == "Structure Fire"
    assert report.received_at == datetime(2019, 7, 1, 19, tzinfo=UTC)
    assert (report.lon, report.lat, report.place) == (-122.41, 37.78, "100 Block of MAIN ST")
    assert report.attributes == {
        "source_incident": "1", "priority": "3", "group": "Fire", "alarms": 1,
    }  # fmt: skip
    engine, medic_did = services(events)
    assert (engine.kind, engine.on_scene_s, engine.transport_s) == ("engine", 1200.0, None)
    assert (medic_did.kind, medic_did.on_scene_s) == ("medic", 840.0)
    assert (medic_did.transport_s, medic_did.hospital_s) == (600.0, 1800.0)
    assert events[1].cause == events[0].id == engine.report
    assert all(e.exercise and e.jurisdiction == "us-ca-sf.exercise" for e in events)
    assert (summary.calls, summary.rows, summary.services, summary.problems) == (1, 2, 2, ())


def test_the_same_file_gives_the_same_bytes(importer: Importer) -> None:
    first = importer(GOOD)[0].path.read_bytes()
    assert importer(GOOD)[0].path.read_bytes() == first
    assert first[4:8] == bytes(4), "no time in the gzip header"


def test_only_two_columns_are_needed(importer: Importer) -> None:
    summary, events = importer(GOOD, columns=("call_number", "received"))
    (report,) = reports(events)
    assert report.lon is None
    assert report.text == "Call 1"
    assert "address" in summary.missing_columns
    with pytest.raises(CallsFileError, match="no column received"):
        importer(GOOD, columns=("call_number", "call_type"))


def test_a_place_that_is_none_keeps_the_call_with_its_address(importer: Importer) -> None:
    rows = [
        {**GOOD, "call_number": str(number), **place}
        for number, place in enumerate(
            [{"lat": "", "lon": ""}, {"lat": "north"}, {"lat": "0", "lon": "0"}, {"lat": "991"}]
        )
    ]
    summary, events = importer(*rows)
    assert [r.lon for r in reports(events)] == [None] * 4
    assert summary.without_place == 4
    assert [p.split(":")[0] for p in summary.problems] == ["line 3", "line 4", "line 5"]


def test_unknown_call_types_and_units_are_kept_and_named(importer: Importer) -> None:
    summary, events = importer(
        {**GOOD, "call_type": "Dragon", "unit_id": "ZZ9", "unit_type": "WATER TENDER"}
    )
    assert reports(events)[0].code == "Dragon"
    assert summary.unknown_types == {"Dragon": 1}
    assert summary.new_units == ("ZZ9",)
    (unit,) = Recording.load(summary.path).units
    assert (unit.unit, unit.kind, unit.skills) == ("ZZ9", "water_tender", ())
    assert kind_of("PRIVATE") == "private_ambulance"


def test_times_that_can_not_be_read_are_said_with_their_line(importer: Importer) -> None:
    summary, events = importer(
        {**GOOD, "received": "yesterday", "call_number": "1"},
        {**GOOD, "on_scene": "2019-07-01 12:99:00", "call_number": "2"},
        {**GOOD, "call_number": ""},
    )
    assert [r.attributes["source_incident"] for r in reports(events)] == ["2"]
    assert summary.left_out == 2
    text = summary.text()
    for expected in ("line 2: received 'yesterday'", "line 3: on_scene", "line 4: no call_number",
                     "call 1 has no usable time"):  # fmt: skip
        assert expected in text


def test_impossible_spans_become_the_median_of_their_kind(importer: Importer) -> None:
    rows = [
        {**GOOD, "call_number": str(n), "available": f"2019-07-01 12:{5 + n:02d}:00"}
        for n in (1, 3, 9)
    ]
    negative = {**GOOD, "call_number": "x", "available": "2019-07-01 12:01:00"}
    summary, events = importer(*rows, negative)
    assert [s.on_scene_s for s in services(events)][-1] == 180.0
    assert "-240 s at the scene" in summary.problems[0]


def test_who_never_arrived_served_nobody(importer: Importer) -> None:
    _, events = importer({**GOOD, "on_scene": ""})
    assert len(reports(events)) == 1
    assert services(events) == []


def test_what_is_no_table_is_said(tmp_path: Path, san_francisco: CityPack) -> None:
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(b"call_number,received\n1,2")[:-6])
    with pytest.raises(CallsFileError, match=r"broken\.csv\.gz: can't be read"):
        import_calls(broken, "x", san_francisco, tmp_path)
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    with pytest.raises(CallsFileError, match="it has: nothing"):
        import_calls(empty, "x", san_francisco, tmp_path)
    with pytest.raises(CallsFileError, match="name"):
        import_calls(empty, "../x", san_francisco, tmp_path)


def test_a_table_in_chinese_is_read_whatever_it_is_saved_in(
    tmp_path: Path, san_francisco: CityPack
) -> None:
    table = (
        "警情编号,接警时间,警情类型,地址,纬度,经度,车辆编号,车辆类型,到场时间\n"
        "A1,2025/6/1 10:00,火警,溧城街道南大街12号,37.78,-122.41,甲1,云梯车,2025/6/1 10:05\n"
    )
    for encoding in ("utf-8-sig", "gb18030", "utf-16"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(table.encode(encoding))
        summary = import_calls(path, "zh", san_francisco, tmp_path)
        (report,) = reports(list(Recording.load(summary.path).happenings()))
        assert (report.text, report.lon) == ("火警, 溧城街道南大街12号", -122.41)
        assert summary.problems == ()
        (unit,) = Recording.load(summary.path).units
        assert (unit.unit, unit.kind) == ("甲1", "ladder_truck")


def test_a_quote_that_swallows_rows_stops_the_import(
    tmp_path: Path, san_francisco: CityPack
) -> None:
    path = tmp_path / "calls.csv"
    rows = [f"{n},2017-01-01 00:0{n}:00,MARKET ST,3\n" for n in range(1, 5)]
    rows[1] = rows[1].replace("MARKET", '"MARKET')
    path.write_text("call_number,received,address,priority\n" + "".join(rows))
    with pytest.raises(CallsFileError, match=r"calls\.csv:3: a quote"):
        import_calls(path, "x", san_francisco, tmp_path)
    rows[3] = rows[3].replace("ST", 'ST"')
    path.write_text("call_number,received,address,priority\n" + "".join(rows))
    with pytest.raises(CallsFileError, match=r"calls\.csv:3: .* takes in 2 more rows"):
        import_calls(path, "x", san_francisco, tmp_path)


def test_numbers_are_taken_as_spreadsheets_write_them(importer: Importer) -> None:
    summary, events = importer(
        {
            **GOOD, "call_number": "17.0", "unit_id": "53.0", "number_of_alarms": "2.0",
            "priority": "３", "lat": "３７．７８", "lon": "-122.41 ", "unit_type": "MEDIC",
        }
    )  # fmt: skip
    (report,) = reports(events)
    assert report.attributes == {
        "source_incident": "17", "priority": "3", "group": "Fire", "alarms": 2,
    }  # fmt: skip
    assert (report.lon, report.lat) == (-122.41, 37.78)
    assert (summary.new_units, summary.problems) == ((), ())


def test_what_is_merged_or_left_out_is_said(importer: Importer) -> None:
    header = {name: name for name in USED}
    next_year = {**GOOD, "received": "2020-07-01 12:00:00", "on_scene": "", "unit_id": "E02"}
    other = {**GOOD, "address": "200 Block of MAIN ST", "unit_id": "E03"}
    lost = {**GOOD, "call_number": "2", "address": "MAIN \ufffd"}
    summary, events = importer(GOOD, GOOD, header, next_year, other, lost)
    assert len(reports(events)) == 2
    assert len(services(events)) == 3
    assert (summary.rows, summary.repeated, summary.left_out) == (6, 1, 1)
    text = summary.text()
    for expected in (
        "line 3: the same row of call 1 once more", "1 rows are in the table twice",
        "line 4: the header once more", "line 5: call 1 was received 366.0 days apart",
        "line 6: call 1 has address '100 Block of MAIN ST' in a row before",
        "line 7: address 'MAIN \ufffd' holds U+FFFD",
    ):  # fmt: skip
        assert expected in text


def test_units_that_can_not_be_sent_and_places_far_away_are_said(importer: Importer) -> None:
    summary, _ = importer(
        {**GOOD, "unit_id": "Z1", "unit_type": "WATER TENDER", "station_area": "99"},
        {**GOOD, "unit_id": "Z2", "unit_type": "ENGINE", "station_area": "1.0", "call_number": "2"},
        {**GOOD, "call_number": "3", "lon": "37.78", "lat": "-72.41"},
    )
    assert summary.unknown_kinds == {"water_tender": 1}
    assert summary.without_station == ("Z1",)
    text = summary.text()
    assert "none of them is ever sent" in text
    assert "1 units whose station_area is no facility" in text
    assert "line 4: lon 37.78, lat -72.41 lies far outside the city" in text


def test_calls_outside_the_city_are_counted_whatever_else_is_wrong(importer: Importer) -> None:
    """A count of problems of all kinds, of which the first are named, told nobody how many."""
    lost = [{**GOOD, "call_number": f"x{number}", "on_scene": "never"} for number in range(40)]
    places = [("122.41", "37.78"), ("0", "0"), ("119.48", "31.43"), ("0", "37.78"), ("-122", "90")]
    far = [
        {**GOOD, "call_number": str(number), "lon": lon, "lat": lat}
        for number, (lon, lat) in enumerate(places)
    ]
    summary, _ = importer(*lost, *far)
    assert summary.outside == (42, 44, 45, 46)
    assert summary.without_place == 1
    assert "4 of the 45 calls lie far outside the city" in summary.text()
    assert "(lines 42, 44, 45, 46)" in summary.text()


def test_short_rows_and_misspelt_columns_are_said(tmp_path: Path, san_francisco: CityPack) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(
        "call_number;Received;adress\n1;2017-01-01 00:01:00\n2;2017-01-01 00:02:00;x;y\n"
    )
    summary = import_calls(path, "x", san_francisco, tmp_path)
    assert summary.calls == 2
    assert summary.problems == (
        "line 1: column 'adress' isn't read; is it to be 'address'?",
        "line 2: fewer values than columns: the last ones are missing",
        "line 3: more values than columns: rest ignored",
    )


def test_dates_are_in_one_order(importer: Importer) -> None:
    def days(*said: str) -> tuple[ImportSummary, list[Event]]:
        return importer(
            *({**GOOD, "call_number": f"c{n}", "received": f"{day} 12:00:00", "unit_id": ""}
              for n, day in enumerate(said))
        )  # fmt: skip

    european, events = days("01/02/2017", "13/02/2017")
    assert [r.received_at.month for r in reports(events)] == [2, 2]
    assert european.problems == ()
    unsure, events = days("01/02/2017")
    assert reports(events)[0].received_at.month == 1
    assert "no day above 12 in the table tells" in unsure.problems[0]
    with pytest.raises(CallsFileError, match=r"calls\.csv:4: received '02/13/2017 12:00:00'"):
        days("01/02/2017", "13/02/2017", "02/13/2017")


def test_local_times_around_clock_changes() -> None:
    clock = LocalTimes(ZoneInfo("America/Los_Angeles"))
    assert clock.read("2016-12-31 00:01:04") == (datetime(2016, 12, 31, 8, 1, 4, tzinfo=UTC), "")
    assert clock.read("07/01/2019 01:05:00 PM")[0] == datetime(2019, 7, 1, 20, 5, tzinfo=UTC)
    assert clock.read("2019-07-01T12:00:00+02:00")[0] == datetime(2019, 7, 1, 10, tzinfo=UTC)
    skipped, remark = clock.read("2017-03-12 02:30:00")
    assert (skipped, remark) == (datetime(2017, 3, 12, 10, 30, tzinfo=UTC), SKIPPED)
    first, remark = clock.read("2017-11-05 01:30:00")
    assert (first, remark) == (datetime(2017, 11, 5, 8, 30, tzinfo=UTC), TWICE)
    later, remark = clock.read("2017-11-05 01:30:00", datetime(2017, 11, 5, 8, 50, tzinfo=UTC))
    assert (later, remark) == (datetime(2017, 11, 5, 9, 30, tzinfo=UTC), "")
    for wrong in ("soon", "0017-01-01 00:00:00"):
        with pytest.raises(ValueError, match=r"is no time|not believed"):
            clock.read(wrong)


def test_the_shipped_recording_has_the_whole_week(san_francisco: CityPack) -> None:
    recording = Recording.load(SHIPPED)
    events = list(recording.happenings())
    assert len(reports(events)) == recording.described.calls == 3560
    assert recording.described.units == 178
    assert recording.units == ()
    assert len({event.id for event in events}) == len(events)
    assert SHIPPED.stat().st_size < 2_000_000
    assert recording.jurisdiction == san_francisco.jurisdiction + ".exercise"


def dated(number: int, received: str) -> dict[str, str]:
    return {**GOOD, "call_number": str(number), "received": received, "on_scene": ""}


def test_a_mistyped_year_is_left_out_by_line_unless_it_is_meant(
    importer: Importer, san_francisco: CityPack
) -> None:
    rows = [dated(number, f"2026-03-0{1 + number % 5} 12:00:00") for number in range(11)]
    wrong = [dated(20, "1999-03-01 12:00:00"), dated(21, "2027-03-01 12:00:00")]
    summary, events = importer(*rows[:5], *wrong, *rows[5:])
    assert (summary.calls, summary.far_in_time) == (11, (7, 8))
    assert {report.received_at.year for report in reports(events)} == {2026}
    assert "2 calls lie more than 30 days from all others and are left out (lines 7, 8)" in (
        summary.text()
    )
    assert "line 7: call 20 was received on 1999-03-01" in summary.text()
    kept = import_calls(
        importer.folder / "calls.csv", "made", san_francisco, importer.folder, all_times=True
    )
    assert (kept.calls, kept.far_in_time) == (13, (7, 8))
    assert "a drill goes through all that time" in kept.text()


@pytest.mark.parametrize(
    "days",
    [
        [*range(0, 365, 3)],
        [*range(78)],
        [*range(7), *range(365, 372)],
        [0, 40],
        [0, 100, 200, 300],
    ],
    ids=["a year", "78 days", "the same week twice", "two calls", "a call each season"],
)
def test_calls_that_are_no_one_stretch_of_time_are_all_kept(
    importer: Importer, days: list[int]
) -> None:
    begin = datetime(2025, 1, 1, 12)  # noqa: DTZ001 - local times, as tables have them
    rows = [dated(n, f"{begin + timedelta(days=day)}") for n, day in enumerate(days)]
    summary, _ = importer(*rows)
    assert (summary.calls, summary.far_in_time) == (len(days), ())


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_degrees_with_a_comma_are_read(
    separator: str, tmp_path: Path, san_francisco: CityPack
) -> None:
    path = tmp_path / "calls.csv"
    row = {**GOOD, "lon": "-122,42", "lat": "37，78"}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, USED, delimiter=separator)
        writer.writeheader()
        writer.writerow(row)
    summary = import_calls(path, "made", san_francisco, tmp_path)
    (report,) = reports(list(Recording.load(summary.path).happenings()))
    assert (report.lon, report.lat, summary.problems) == (-122.42, 37.78, ())


def test_a_crew_that_was_there_before_the_call_is_told_by_line(importer: Importer) -> None:
    early = {**GOOD, "call_number": "2", "on_scene": "2019-07-01 11:50:00"}
    summary, events = importer(GOOD, early)
    assert [one for one in summary.problems if one.startswith("line 3: on_scene")] == [
        "line 3: on_scene '2019-07-01 11:50:00' lies 600 s before received "
        "'2019-07-01 12:00:00': the median stands in"
    ]
    assert [service.on_scene_s for service in services(events)] == [1200.0, 1200.0]
