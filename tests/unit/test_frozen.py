"""Frozen dataclasses copied and made by their slots are what `dataclasses` would have made of them."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from gateway.domain import delivery
from gateway.domain.frozen import maker, quick, replace
from gateway.domain.money import Money
from gateway.domain.nouns import TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Something with a field that has a default."""

    weight_g: int
    label: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentParcel(Parcel):
    """Slots in two classes."""

    stamps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alone:
    """One field only."""

    name: str


@quick
@dataclass(frozen=True, slots=True)
class Letter:
    """Made by `quick`: by place and by name, with a default, a field of its own making, and an opinion."""

    to: str
    pages: int = 1
    urgent: bool = dataclasses.field(default=False, kw_only=True)
    weight_g: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        if self.pages < 1:
            raise ValueError("no pages")
        object.__setattr__(self, "weight_g", 5 * self.pages)


@dataclass(frozen=True)
class Slotless:
    """Its fields lie in a dict."""

    name: str


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (Parcel(weight_g=3), {}),
        (Parcel(weight_g=3, label="a"), {"weight_g": 4}),
        (SentParcel(weight_g=3, stamps=("x",)), {"label": "b", "stamps": ()}),
        (Alone("one"), {"name": "other"}),
        (Money(100), {"minor": 250}),
    ],
)
def test_a_copy_is_what_dataclasses_would_have_made(value: Any, changes: dict[str, Any]) -> None:
    before = dataclasses.replace(value)
    copy = replace(value, **changes)
    assert copy == dataclasses.replace(value, **changes)
    assert type(copy) is type(value)
    assert copy is not value
    assert value == before


def test_a_copy_is_as_frozen_as_the_first() -> None:
    with pytest.raises(FrozenInstanceError):
        replace(Parcel(weight_g=3), label="b").label = "c"  # type: ignore[misc]


def test_a_class_that_judges_its_values_judges_the_copy_s() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        replace(Money(100), minor=-1)


@pytest.mark.parametrize(("value", "changes"), [(Parcel(weight_g=3), {"wieght_g": 4}), (Slotless("a"), {"name": "b"})])
def test_what_cannot_be_copied_by_slots_is_refused(value: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        replace(value, **changes)


def test_what_is_made_of_values_is_what_its_class_would_have_made() -> None:
    made = maker(SentParcel, ("stamps", "label", "weight_g"))((("x",), "b", 5))
    assert made == SentParcel(weight_g=5, label="b", stamps=("x",))


@pytest.mark.parametrize(("cls", "names"), [(Parcel, ("weight_g",)), (Money, ("minor", "currency"))])
def test_what_wants_its_own_making_is_not_made_of_values(cls: type[Any], names: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        maker(cls, names)


@pytest.mark.parametrize("cls", [*(table.data for table in TABLES.values()), delivery.Delivery])
def test_every_noun_can_be_copied_by_its_slots(cls: type[Any]) -> None:
    names = [field.name for field in dataclasses.fields(cls)]
    blank = maker(cls, names)([None] * len(names))
    assert replace(blank, state="held").state == "held"


@pytest.mark.parametrize(
    ("letter", "fields"),
    [
        (Letter("a"), ("a", 1, False, 5)),
        (Letter("a", 3), ("a", 3, False, 15)),
        (Letter(pages=2, to="b", urgent=True), ("b", 2, True, 10)),
    ],
)
def test_what_is_made_quickly_has_its_fields_and_defaults(letter: Letter, fields: tuple[Any, ...]) -> None:
    assert dataclasses.astuple(letter) == fields


def test_what_is_made_quickly_is_frozen_and_judged_like_any_other() -> None:
    with pytest.raises(FrozenInstanceError):
        Letter("a").to = "b"  # type: ignore[misc]
    with pytest.raises(ValueError, match="no pages"):
        Letter("a", 0)


@pytest.mark.parametrize(
    "make",
    [Letter, lambda: Letter("a", 1, True), lambda: Letter("a", form="c5"), lambda: Letter("a", to="b")],
)
def test_what_is_made_quickly_takes_no_other_arguments_than_its_fields(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_a_field_that_is_made_anew_each_time_is_not_made_quickly() -> None:
    @dataclass(frozen=True, slots=True)
    class Parcels:
        all: list[Parcel] = dataclasses.field(default_factory=list)

    with pytest.raises(TypeError):
        quick(Parcels)
