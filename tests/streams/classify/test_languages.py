"""Languages: which one a text is in, and words of danger in those that the reader doesn't read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.categories import OTHER, categories
from models.city import CityPack
from models.events import ReportReceived
from models.words import Channel
from streams.classify import encoder, sentences
from streams.classify.by_words import read_by_words
from streams.classify.languages import category_of, danger_in, language_of, load_languages
from streams.classify.reader import understand
from streams.classify.reports import classify
from streams.errors import RulesError

CODES = ("ja", "ko", "ru", "es", "fr", "de", "pt", "vi", "th", "ar", "hi")

CALLS = [
    ("ja", "火事です!アパートの三階から煙が出ています、早く来てください", "accident.fire"),
    ("ja", "父が倒れて息をしていません。救急車お願いします", "health.medical"),
    ("ja", "助けて!エレベーターに閉じ込められました", "accident.rescue"),
    ("ja", "子どもが川で溺れてる!!", "accident.rescue.water"),
    ("ko", "불이야! 3층에서 연기가 나요, 사람이 있어요", "accident.fire"),
    ("ko", "아버지가 쓰러졌는데 숨을 안 쉬어요 빨리 와주세요", "health.medical"),
    ("ko", "어떤 남자가 칼을 들고 사람들을 위협하고 있어요", "security.crime"),
    ("ko", "살려주세요 제발", OTHER),
    ("ru", "Помогите! Горит квартира на третьем этаже, внутри дети", "accident.fire"),
    ("ru", "мужу плохо, он без сознания и не дышит", "health.medical"),
    ("ru", "Здесь стреляют, мы спрятались в туалете", "security.crime"),
    ("ru", "человек тонет возле пирса", "accident.rescue.water"),
    ("es", "¡Ayuda! Hay un incendio en el segundo piso y mi abuela está adentro", "accident.fire"),
    ("es", "mi esposo no respira, por favor manden una ambulancia rapido", "health.medical"),
    ("es", "se esta ahogando un niño en la playa", "accident.rescue.water"),
    ("es", "un hombre con una pistola está disparando en la calle", "security.crime"),
    ("es", "FUEGOOOO AYUDAAA", "accident.fire"),
    ("fr", "Au secours, il y a le feu dans l'immeuble, on est coincés au 4e", "accident.fire"),
    ("fr", "ma mère ne respire plus, venez vite s'il vous plaît", "health.medical"),
    ("fr", "Ça sent le gaz dans tout l’escalier", "accident.gas_leak"),
    ("fr", "quelqu'un se noie près de la jetee", "accident.rescue.water"),
    ("de", "Hilfe, es brennt! Im zweiten Stock ist noch ein Kind", "accident.fire"),
    ("de", "Mein Mann ist bewusstlos, er atmet nicht mehr", "health.medical"),
    ("de", "da schiesst jemand um sich, wir sind im Keller", "security.crime"),
    ("de", "Wohnungsbrand in der Kueche, alles voll Rauch", "accident.fire"),
    ("pt", "Socorro! O prédio está pegando fogo, tem gente na janela", "accident.fire"),
    ("pt", "meu pai desmaiou e não está respirando", "health.medical"),
    ("pt", "uma crianca esta se afogando na piscina", "accident.rescue.water"),
    ("pt", "Houve um tiroteio aqui na rua, tem um homem baleado", "security.crime"),
    ("vi", "Cứu với! Nhà tôi đang cháy, còn người bên trong", "accident.fire"),
    ("vi", "chồng tôi bất tỉnh, không thở nữa, gọi cấp cứu giúp tôi", "health.medical"),
    ("vi", "chay nha roi, cuu voi, co nguoi trong nha", "accident.fire"),
    ("vi", "Có tai nạn giao thông, một người chảy máu nhiều lắm", "accident.traffic"),
    ("th", "ช่วยด้วย ไฟไหม้บ้าน มีคนติดอยู่ข้างใน", "accident.fire"),
    ("th", "พ่อหมดสติ ไม่หายใจแล้ว ขอรถพยาบาลด่วน", "health.medical"),
    ("th", "มีคนจมน้ำที่ชายหาด", "accident.rescue.water"),
    ("ar", "النجدة! حريق في الطابق الثالث والأطفال في الداخل", "accident.fire"),
    ("ar", "أبي لا يتنفس وفاقد الوعي، أرسلوا سيارة إسعاف بسرعة", "health.medical"),
    ("ar", "رجل معه سكين يهاجم الناس في المحطة", "security.crime"),
    ("hi", "बचाओ! घर में आग लग गई है, बच्चे अंदर हैं", "accident.fire"),
    ("hi", "मेरे पिता बेहोश हैं, साँस नहीं ले रहे", "health.medical"),
    ("hi", "एक लड़का नदी में डूब रहा है", "accident.rescue.water"),
]

HARMLESS = [
    ("ja", "博物館は何時から何時まで開いていますか?"),
    ("ja", "花火大会はどこで見られますか"),
    ("ko", "박물관은 몇 시에 문을 열어요?"),
    ("ko", "커피가 나왔는데 칼로리가 높아요"),
    ("ru", "Подскажите, во сколько открывается музей?"),
    ("es", "¿A qué hora abre el museo mañana, por favor?"),
    ("es", "hola, como te llamas? donde esta la playa"),
    ("fr", "Bonjour, à quelle heure ouvre le musée le dimanche ?"),
    ("fr", "le feu rouge ne marche pas au coin de la rue"),
    ("de", "Guten Tag, wann hat das Museum am Sonntag geöffnet?"),
    ("pt", "Bom dia, a que horas abre o museu amanhã?"),
    ("vi", "Xin hỏi bảo tàng mở cửa lúc mấy giờ?"),
    ("th", "พิพิธภัณฑ์เปิดกี่โมงครับ"),
    ("ar", "متى يفتح المتحف يوم الجمعة من فضلكم؟"),
    ("hi", "संग्रहालय कितने बजे खुलता है?"),
]


@pytest.mark.parametrize(("language", "text", "category"), CALLS)
def test_a_call_for_help_is_known_by_language_words_and_kind(
    language: str, text: str, category: str
) -> None:
    assert language_of(text) == language
    words = danger_in(text, language)
    assert words
    assert category_of(words, language) == category


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_a_harmless_question_holds_no_word_of_danger(language: str, text: str) -> None:
    assert language_of(text) == language
    assert danger_in(text, language) == ()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("三楼起火", "zh"),
        ("三樓起火，有人被困", "zh"),
        ("fire在三楼, help", "zh"),
        ("鲜の每日水果店着火了", "zh"),
        ("快来人啊ノ着火了", "zh"),
        ("在スーパー门口有人被打了，他流了很多血，你们快来吧", "zh"),
        ("韩国烤肉店삼겹살着火了", "zh"),
        ("zhao huo le kuai lai ren", "en"),
        ("fire", "en"),
        ("FIRE!!! 🔥", "en"),
        ("hlp hosue on fier", "en"),
        ("accident on El Camino Real", "en"),
        ("El Camino del Mar", "en"),
        ("José is at the café near Las Casas, he fell", "en"),
        ("there's smoke at the Hôtel de Ville, it's bad", "en"),
        ("he is shouting помогите at us", "en"),
        ("fіre on my street", "en"),  # the second letter is Cyrillic
        ("¯\\_(ツ)_/¯ nobody is here", "en"),
        ("пожар в отеле Hilton Union Square", "ru"),
        ("ไฟไหม้โรงแรมHilton", "th"),
        ("por favor ayuda, se quema la casa", "es"),
        ("¡Ayuda!", "es"),
        ("Feuer!", "de"),
        ("", ""),
        ("🔥🔥", ""),
        ("110 ...", ""),
    ],
)
def test_mixed_and_short_texts(text: str, language: str) -> None:
    assert language_of(text) == language


def test_what_people_write_in_chinese_and_english_is_taken_for_nothing_else() -> None:
    wrong = {"zh": 0, "en": 0}
    total = {"zh": 0, "en": 0}
    for view in sentences.views():
        expected = view[:2]
        for one in sentences.sentences(view):
            total[expected] += 1
            has_han = any("\u3400" <= char <= "\u9fff" for char in one.text)
            has_latin = any(char.isascii() and char.isalpha() for char in one.text)
            written = "zh" if has_han else "en" if has_latin else ""
            wrong[expected] += language_of(one.text) != written
    assert wrong["zh"] == 0
    assert wrong["en"] <= 0.003 * total["en"]


def test_places_in_english_text_stay_english(san_francisco: CityPack) -> None:
    roads = ("Cesar Chavez St", "La Playa St", "De Haro St", "El Camino del Mar", "Los Banos Ave")
    names = [*roads, *(cell.name.en for cell in san_francisco.cells)]
    assert [name for name in names if language_of(name) != "en"] == []


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("es", "El NIÑO está inconsciente, hay mucha sangre", ("inconsciente", "sangre")),
        ("es", "no hay heridos, hay humo", ("humo",)),
        ("de", "Ueberfall! Er hat ein Messer", ("Ueberfall", "Messer")),
        ("ko", "숨을안쉬어요", ("숨을안",)),
        ("ko", "숨을 안 쉬어요", ("숨을 안",)),
        ("ja", "救急車!救急車!", ("救急车",)),  # as in the plain form, which a reading quotes
        ("ru", "произошёл взрыв, взрывной волной выбило окна", ("взрыв", "взрывной")),
        ("ar", "هناك نَار وانفجار", ("نَار", "وانفجار")),
        ("vi", "ăn chay rồi chạy bộ ở đường", ()),
        ("hi", "आगरा कैसे जाएँ", ()),
        ("en", "fire", ()),
        ("", "?", ()),
    ],
)
def test_words_of_danger_are_found_where_they_stand_whole(
    language: str, text: str, words: tuple[str, ...]
) -> None:
    assert danger_in(text, language) == words


def test_each_language_has_words_enough() -> None:
    assert load_languages().codes == set(CODES)


@settings(deadline=None)
@given(text=st.text(max_size=80), language=st.sampled_from((*CODES, "zh", "en", "")))
def test_any_text_gets_an_answer(text: str, language: str) -> None:
    assert language_of(text) in (*CODES, "zh", "en", "")
    words = danger_in(text, language)
    assert all(words)
    assert category_of(words, language) in categories()


@pytest.fixture
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(language: str) -> None:
        raise AssertionError(f"the model of {language} was loaded")

    monkeypatch.setattr("streams.classify.reader.encoder_of", refuse)
    monkeypatch.setattr(encoder, "encoder_of", refuse)


@pytest.mark.usefixtures("_no_model")
@pytest.mark.parametrize(("language", "text", "category"), CALLS)
def test_an_unread_call_for_help_is_raised_and_a_person_looks(
    liyang: CityPack, language: str, text: str, category: str
) -> None:
    (got,) = understand([text])
    assert (got.is_raised, got.is_sure, got.triage) == (True, False, True)
    assert (got.category, got.reading.language, got.reading.danger) == (category, "", 0.6)
    assert got.reading.alarming
    guesses = [(one.category, one.probability) for one in got.reading.categories]
    assert guesses == ([] if category == OTHER else [(category, 0.5)])
    sent = ReportReceived(
        channel=Channel.CITIZEN, received_at=datetime(2026, 7, 1, tzinfo=UTC), text=text
    )
    report = classify(sent, liyang)
    assert (report.language, report.priority, report.triage) == (language, 1, True)
    assert not report.life_threat


@pytest.mark.usefixtures("_no_model")
@pytest.mark.parametrize("text", [text for _, text in HARMLESS] + ["", "🔥", "שלום"])
def test_an_unread_text_without_danger_waits_for_a_person(text: str) -> None:
    (got,) = understand([text])
    assert (got.category, got.is_raised, got.triage) == (OTHER, False, True)
    assert (got.reading.danger, got.reading.alarming, got.reading.categories) == (0.0, (), ())


def test_a_worker_without_reader_raises_the_same() -> None:
    got = read_by_words("¡Ayuda! Hay un incendio en el segundo piso")
    assert (got.category, got.is_raised, got.triage) == ("accident.fire", True, True)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("accident.fire:", "accident.fires:"), "'accident.fires' is not in models/data"),
        (("- fuego\n", '- "-"\n'), "a word is empty"),
        (("pt:\n  letters", "xx:\n  letters"), "pt: no little words"),
        (("es:\n  letters", "es:\n  leters"), "leters"),
    ],
)
def test_a_broken_file_is_refused_with_its_fault(
    tmp_path: Path, change: tuple[str, str], problem: str
) -> None:
    words = Path("streams/classify/languages.yaml").read_text(encoding="utf-8")
    path = tmp_path / "languages.yaml"
    path.write_text(words.replace(*change, 1), encoding="utf-8")
    with pytest.raises(RulesError, match=problem):
        load_languages(path)
