"""Readings on their way to Kafka: written once, and what no broker takes is said to who sent it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gridcommand.rehearsal.servers import Servers
from models import tracing
from models.registers import Device
from models.senml import MAX_RECORDS
from models.settings import Settings
from streams.senml import parse_senml
from streams.sense_rules import load_sense_rules
from streams.topic_plan import make_missing
from tests.waiting import HANG_S
from web_console import readings as module
from web_console.middleware import READINGS_MAX
from web_console.problems import Problem, field_errors
from web_console.readings import Readings, check

DEVICE = Device(id="level-7", jurisdiction="tiny")
PACK = b'[{"bn":"level-7/","n":"water","v":0.4}]'


class FakeProducer:
    """A producer that refuses what it is told to."""

    made: ClassVar[list[FakeProducer]] = []
    refusals: ClassVar[list[KafkaError]] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.sent: list[bytes] = []
        self.topics: list[str] = []
        self.partitions: list[int | None] = []
        self.headers: list[list[tuple[str, bytes]]] = []
        self.made.append(self)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def send_and_wait(
        self,
        topic: str,
        pack: bytes,
        *,
        key: bytes,
        partition: int | None,
        headers: list[tuple[str, bytes]],
    ) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.sent.append(pack)
        self.topics.append(topic)
        self.partitions.append(partition)
        self.headers.append(headers)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeProducer]:
    FakeProducer.made.clear()
    FakeProducer.refusals.clear()
    monkeypatch.setattr(module, "AIOKafkaProducer", FakeProducer)
    return FakeProducer.made


@pytest.mark.parametrize(
    ("settings", "idempotent", "partition"),
    [(Settings(kafka_servers="kafka:9092"), True, None), (Settings(broker_port=1), False, 0)],
)
async def test_the_producer_is_idempotent_and_devices_are_spread_where_the_broker_can(
    made: list[FakeProducer], settings: Settings, idempotent: bool, partition: int | None
) -> None:
    readings = Readings(settings)
    await readings.publish(DEVICE, PACK)
    assert made[0].options["enable_idempotence"] is idempotent
    assert made[0].options["acks"] == "all"
    assert made[0].partitions == [partition]
    await readings.close()


async def test_what_a_device_of_an_exercise_measures_reaches_no_live_topic(
    made: list[FakeProducer],
) -> None:
    """A pack doesn't say whose it is: behind the topic nobody could tell."""
    readings = Readings(Settings(broker_port=1))
    for jurisdiction in ("tiny", "tiny.exercise", "tiny.exercise.2"):
        await readings.publish(Device(id="level-7", jurisdiction=jurisdiction), PACK)
    assert made[0].topics == ["readings", "exercise.readings", "exercise.readings"]
    whose = [dict(headers)["jurisdiction"].decode() for headers in made[0].headers]
    assert whose == ["tiny", "tiny.exercise", "tiny.exercise.2"]
    await readings.close()


@pytest.mark.parametrize(
    ("refusal", "status"), [(MessageSizeTooLargeError(), 413), (OutOfOrderSequenceNumber(), 503)]
)
async def test_after_a_refusal_the_next_pack_goes_by_a_new_producer(
    made: list[FakeProducer], refusal: KafkaError, status: int
) -> None:
    readings = Readings(Settings(kafka_servers="kafka:9092"))
    FakeProducer.refusals.append(refusal)
    with pytest.raises(Problem) as told:
        await readings.publish(DEVICE, PACK)
    assert told.value.status == status
    await readings.publish(DEVICE, PACK)
    assert [len(one.sent) for one in made] == [0, 1]
    await readings.close()


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_senders_trace_goes_along_where_traces_are_on(
    made: list[FakeProducer], monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    monkeypatch.setattr(tracing, "is_on", lambda: is_on)
    readings = Readings(Settings(kafka_servers="kafka:9092"))
    await readings.publish(DEVICE, PACK, "00-01-02-01")
    await readings.publish(DEVICE, PACK)
    whose = ("jurisdiction", b"tiny")
    traced = [whose, ("traceparent", b"00-01-02-01")]
    assert made[0].headers == [traced if is_on else [whose], [whose]]
    await readings.close()


def senml(*records: object) -> bytes:
    return json.dumps(records, ensure_ascii=False).encode()


ALARM = {"n": "smoke_alarm", "vb": True}
MILLISECONDS = 1_796_078_711_361


@pytest.mark.parametrize(
    ("records", "refused"),
    [
        ([{"bn": "d/", "bt": MILLISECONDS, **ALARM}], {}),
        ([{"bn": "d/", "n": "smoke alarm", "v": 1}, ALARM], {0: "senml_name"}),
        ([{"bn": "d/", "n": "烟感", "v": 1}, ALARM], {0: "senml_name"}),
        ([{"bn": "d/", "n": "battery (V)", "v": "3"}, ALARM], {0: "senml_record"}),
        ([{"bn": "d/", "n": "x", "v": 1, "vb": True}, ALARM], {0: "senml_values"}),
        ([{"bn": "d/", "n": "x", "v": 1}, {**ALARM, "t": 1e300}], {1: "senml_time"}),
        ([{"bn": "d/", "n": "x", "v": 1, "bv": 1.7e308}, {"n": "y", "v": 1.7e308}, {**ALARM}],
         {1: "senml_value"}),
        ([{"bn": "d/", "n": "x", "v": 1}, {"bn": "", "n": "d/smoke_alarm", "vb": True}], {}),
        ([{"bn": "e/", **ALARM}, {"bn": "d/", **ALARM}], {0: "foreign_device"}),
        ([{"bn": "d/", **ALARM}, {"bn": "d/e/", **ALARM}], {1: "foreign_device"}),
        ([{"bn": "d/", **ALARM}, {"bn": "", "n": "e/smoke_alarm", "v": 1}], {1: "foreign_device"}),
        ([{"bn": "d/", **ALARM}, {"bn": 7, "n": "x", "v": 1}, ALARM],
         {1: "senml_base", 2: "senml_base"}),
        ([{"bn": "d/", **ALARM}, 7], {1: "senml_base"}),
    ],
)  # fmt: skip
def test_what_intake_takes_sense_reads_and_one_wrong_record_costs_itself(
    records: list[object], refused: dict[int, str]
) -> None:
    checked = check("d", senml(*records))
    assert {one.record: one.wrong.code for one in checked.refused} == refused
    read = parse_senml(checked.pack, datetime.now(UTC))
    assert (len(read), read.refused) == (checked.readings, [])
    assert {reading.device for reading in read} == {"d"}
    assert checked.readings == len(records) - len(refused)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"bn": "d/", "bver": 11, "n": "x", "v": 1}],
        [{"bn": "d/", "n": "x", "v": 1, "x_": 1}],
        [{"bn": "d/", "n": "x", "vs": "open"}],
        [{"bn": "e/", **ALARM}],
        [{"bn": "d/", "bt": 1e300, **ALARM}],
    ],
)
def test_what_sense_cannot_read_intake_does_not_take(records: list[object]) -> None:
    with pytest.raises(Problem) as told:
        check("d", senml(*records))
    assert told.value.status == 422


@pytest.mark.parametrize(
    ("pack", "code", "value"),
    [
        (b"{}", "senml", ""),
        (b'[{"v":1', "senml_json", "7"),
        (b"[1] 2", "senml_json", "4"),
        (b"[" * 5000 + b"]" * 5000, "json_too_deep", ""),
        (b'[{"n":"\xff"}]', "not_utf8", ""),
        (b"[" + b"{}," * MAX_RECORDS + b"{}]", "senml_too_many", str(MAX_RECORDS + 1)),
        (b'[{"bver":11}]', "senml_version", "11"),
        (b'[{"n":"d/x","v":1,"crs_":2}]', "senml_must", "crs_"),
        (b'[{"n":"d/x","v":"3"}]', "senml_record", "v"),
        (b'[{"n":"d/x","vb":"on"}]', "senml_record", "vb"),
    ],
)
def test_why_a_pack_is_refused_is_said_whole_in_both_languages(
    pack: bytes, code: str, value: str
) -> None:
    with pytest.raises(Problem) as told:
        check("d", pack)
    assert told.value.errors[0][1] == code
    english, chinese = (field_errors(told.value.errors, one)[0].message for one in ("en", "zh"))
    assert value in english
    assert value in chinese
    for words in ("expected", "malformed", "must", "record"):
        assert words not in chinese.lower()
    assert not re.search("[一-鿿]", english)


leaves = st.none() | st.booleans() | st.floats() | st.text("d/e:x ", max_size=4) | st.just(1e12)
names = st.sampled_from(["bn", "bt", "bu", "bv", "bver", "n", "u", "v", "vb", "vs", "t", "x_"])
whole = st.fixed_dictionaries(
    {"n": st.sampled_from(["d/x", "d:y", "z"]), "v": st.floats(-9, 9)},
    optional={"bn": st.sampled_from(["", "d/", "e/"]), "t": st.floats(-9, 2e12)},
)


@hypothesis_settings(deadline=None)
@given(st.lists(whole | st.dictionaries(names, leaves, max_size=4), max_size=6))
def test_whatever_intake_takes_sense_reads_whole_and_of_that_device(records: list[object]) -> None:
    try:
        checked = check("d", json.dumps(records).encode())
    except Problem:
        return
    read = parse_senml(checked.pack, datetime.now(UTC))
    assert (len(read), read.refused) == (checked.readings, [])
    assert {reading.device for reading in read} == {"d"}


@pytest.mark.parametrize(
    ("records", "refused"),
    [
        ([{"bn": "d/", "n": "ch4", "u": unit, "v": 1}], {})
        for unit in ("", "ppm", "ppb", "%", "/", "/100", "/1000")
    ]
    + [
        ([{"bn": "d/", "n": "ch4", "u": "mg/m3", "v": 1}, ALARM], {0: "senml_unit"}),
        ([{"bn": "d/", "n": "ch4", "u": "%LEL", "v": 1}, ALARM], {0: "senml_unit"}),
        ([{"bn": "d/", "n": "temperature", "u": "C", "v": 1}, ALARM], {0: "senml_unit"}),
        ([{"bn": "d/", "n": "smoke_alarm", "vs": "ON"}, ALARM], {0: "senml_text"}),
        ([{"bn": "d/", "n": "firmware", "vs": "1.2"}, ALARM], {}),
        ([{"bn": "d/", "n": "wind", "u": "furlong", "v": 1}], {}),
    ],
)
def test_what_no_rule_could_ever_use_is_refused(
    records: list[object], refused: dict[int, str]
) -> None:
    checked = check("d", senml(*records), load_sense_rules().units_of)
    assert {one.record: one.wrong.code for one in checked.refused} == refused


@pytest.mark.parametrize(
    "servers", [pytest.param("kafka", marks=pytest.mark.servers)], indirect=True
)
@pytest.mark.broker
async def test_kafka_takes_the_largest_pack_that_the_door_lets_in(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_WITHIN_S", HANG_S)
    address = servers.environment["GRIDCOMMAND_KAFKA_SERVERS"]
    await make_missing(address)
    readings = Readings(Settings(kafka_servers=address))
    pack = PACK + b" " * (READINGS_MAX - len(PACK))
    assert (await readings.publish(DEVICE, pack)).readings == 1
    await readings.close()
