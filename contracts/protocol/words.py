"""Numbers, amounts and dates in words, Azerbaijani and English, as an official document writes them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

_BAKU = ZoneInfo("Asia/Baku")

_AZ_UNITS = ("sıfır", "bir", "iki", "üç", "dörd", "beş", "altı", "yeddi", "səkkiz", "doqquz")
_AZ_TENS = ("", "on", "iyirmi", "otuz", "qırx", "əlli", "altmış", "yetmiş", "səksən", "doxsan")
_AZ_SCALES = ("", "min", "milyon", "milyard", "trilyon", "katrilyon")
_AZ_MONTHS = (
    *("yanvar", "fevral", "mart", "aprel", "may", "iyun"),
    *("iyul", "avqust", "sentyabr", "oktyabr", "noyabr", "dekabr"),
)
_AZ_ORDINALS = {"a": "cı", "ı": "cı", "e": "ci", "ə": "ci", "i": "ci", "o": "cu", "u": "cu", "ö": "cü", "ü": "cü"}

_EN_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_EN_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_EN_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_EN_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_NUMBER_LIMIT = 10**18


def number_words(number: int, language: str = "az") -> str:
    """A whole number below 10^18 in words: 21000 is `iyirmi bir min`, 1000 is `min` and never `bir min`."""
    if not 0 <= number < _NUMBER_LIMIT:
        raise ValueError("a number from 0 to below 10^18")
    if number == 0:
        return _AZ_UNITS[0] if language == "az" else _EN_SMALL[0]
    groups = []
    for scale in range(5, -1, -1):
        group = number // 1000**scale % 1000
        if group:
            groups.append(_az_group(group, scale) if language == "az" else _en_group(group, scale))
    return " ".join(groups)


def amount_words(minor: int, language: str = "az") -> str:
    """An amount of qəpik: `On iki min beş yüz manat iyirmi qəpik`, its first letter a capital."""
    major, fraction = number_words(minor // 100, language), number_words(minor % 100, language)
    if language == "az":
        return _capital(f"{major} manat {fraction} qəpik")
    return _capital(f"{major} manats and {fraction} gapiks")


def amount_figures(minor: int, language: str = "az") -> str:
    """`12 500,20 ₼` (no-break spaces), in English `12,500.20 ₼`."""
    figures = f"{minor // 100:,}.{minor % 100:02d}"
    if language == "az":
        figures = figures.replace(",", "\u00a0").replace(".", ",")
    return f"{figures}\u00a0₼"


def date_words(day: date, language: str = "az") -> str:
    """`20 noyabr 2026-cı il`, in English `20 November 2026`."""
    if language != "az":
        return f"{day.day} {_EN_MONTHS[day.month - 1]} {day.year}"
    return f"{day.day} {_AZ_MONTHS[day.month - 1]} {day.year}-{_ordinal_suffix(day.year)} il"


def baku_date(moment: datetime) -> date:
    """The calendar day in Baku."""
    return moment.astimezone(_BAKU).date()


def baku_time(moment: datetime) -> str:
    """Hours and minutes in Baku."""
    return moment.astimezone(_BAKU).strftime("%H:%M")


def _az_group(group: int, scale: int) -> str:
    if group == 1 and scale == 1:
        return _AZ_SCALES[1]
    hundreds, tens, units = group // 100, group // 10 % 10, group % 10
    words = []
    if hundreds:
        words += ["yüz"] if hundreds == 1 else [_AZ_UNITS[hundreds], "yüz"]
    words += [_AZ_TENS[tens]] if tens else []
    words += [_AZ_UNITS[units]] if units else []
    return " ".join([*words, _AZ_SCALES[scale]]).strip()


def _en_group(group: int, scale: int) -> str:
    hundreds, rest = divmod(group, 100)
    words = [f"{_EN_SMALL[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_EN_TENS[rest // 10] + (f"-{_EN_SMALL[rest % 10]}" if rest % 10 else ""))
    elif rest:
        words.append(_EN_SMALL[rest])
    return " ".join([*words, _EN_SCALES[scale]]).strip()


def _ordinal_suffix(number: int) -> str:
    """By the last vowel of the number as spoken: 2026 altı-cı, 2027 yeddi-ci, 2029 doqquz-cu, 2023 üç-cü."""
    last_vowel = next(letter for letter in reversed(number_words(number)) if letter in _AZ_ORDINALS)
    return _AZ_ORDINALS[last_vowel]


def _capital(text: str) -> str:
    return {"i": "İ"}.get(text[0], text[0].upper()) + text[1:]
