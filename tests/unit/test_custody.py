"""Two of n: any two shares give the secret, one says nothing; the book shows every page that is missing or changed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import custody
from certs.custody import Box, CustodyError, Entry, ForeignError, Opened, Page, Share

NOW = datetime(2026, 11, 22, 10, 0, 0, 5, tzinfo=UTC)
NAMES = ("Aygün", "Bəhruz", "Cavid")


@given(st.binary(min_size=1, max_size=48), st.integers(2, 6), st.integers(0, 6), st.randoms(use_true_random=False))
def test_any_enough_shares_give_the_secret_back(secret: bytes, threshold: int, more: int, chance: object) -> None:
    """VLT-4.1."""
    shares = custody.split(secret, threshold=threshold, count=threshold + more, random=secrets.token_bytes)
    chance.shuffle(shares)  # type: ignore[attr-defined]
    assert custody.join(shares[:threshold]) == secret
    assert custody.join(shares) == secret


@given(st.binary(min_size=1, max_size=8), st.binary(min_size=1, max_size=8), st.integers(1, 255))
def test_one_share_of_two_fits_every_secret(secret: bytes, other: bytes, index: int) -> None:
    """Perfect secrecy, shown: for the share at hand and any other secret there is a second share that leads to it."""
    other = (other * len(secret))[: len(secret)].ljust(len(secret), b"\0")
    mine = custody.split(secret, threshold=2, count=255, random=secrets.token_bytes)[index - 1]
    elsewhere = 1 if index != 1 else 2
    # the straight line through (0, other) and (index, mine), read at another place
    slope = [custody._times(a ^ b, custody._inverse(index)) for a, b in zip(mine.octets, other, strict=True)]
    second = Share(elsewhere, bytes(o ^ custody._times(s, elsewhere) for o, s in zip(other, slope, strict=True)))
    assert custody.join([mine, second]) == other


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (0, 2), (3, 2), (2, 256)])
def test_less_than_two_people_or_more_than_there_are_is_no_vault(threshold: int, count: int) -> None:
    """VLT-4.1: at least two."""
    with pytest.raises(ValueError):
        custody.split(b"secret", threshold=threshold, count=count, random=secrets.token_bytes)


def test_one_share_twice_is_one_person() -> None:
    share = custody.split(b"secret", threshold=2, count=3, random=secrets.token_bytes)[0]
    for shares in ([share, share], []):
        with pytest.raises(CustodyError):
            custody.join(shares)


def test_every_element_of_the_field_has_its_inverse() -> None:
    assert all(custody._times(value, custody._inverse(value)) == 1 for value in range(1, 256))


@pytest.fixture(scope="module")
def people() -> list[tuple[custody.Custodian, Box]]:
    shares = custody.split(b"k" * 32, threshold=2, count=3, random=secrets.token_bytes)
    made = [
        custody.box_of(name, share, f"pin of {name}", random=secrets.token_bytes)
        for name, share in zip(NAMES, shares, strict=True)
    ]
    return [(opened.custodian, box) for opened, box in made]


@pytest.fixture(scope="module")
def present(people: list[tuple[custody.Custodian, Box]]) -> list[Opened]:
    custodians = [one for one, _ in people]
    return [custody.open_box(box, f"pin of {box.custodian}", custodians) for _, box in people]


def test_a_box_opens_with_its_own_pin_only(people: list[tuple[custody.Custodian, Box]]) -> None:
    """VLT-4.6: nobody's key serves another; VLT-4.12: who tries is a stranger."""
    custodians, (_, box) = [one for one, _ in people], people[0]
    other = f"{int(box.content[:2], 16) ^ 1:02x}"
    for broken, pin in (
        (box, "pin of Bəhruz"),
        (replace(box, custodian="Bəhruz"), "pin of Aygün"),
        (replace(box, custodian="Yad"), "pin of Aygün"),
        (replace(box, content=other + box.content[2:]), "pin of Aygün"),
        (replace(box, salt="zz"), "pin of Aygün"),
    ):
        with pytest.raises(ForeignError):
            custody.open_box(broken, pin, custodians)


def test_a_short_pin_is_not_taken() -> None:
    with pytest.raises(CustodyError):
        custody.box_of("A", Share(1, b"x"), "12345", random=secrets.token_bytes)


def test_a_sealed_key_opens_with_its_secret_in_its_vault_only() -> None:
    sealed = custody.seal_key(b"the key", b"s" * 32, vault_id="v1", random=secrets.token_bytes)
    assert custody.unseal_key(sealed, b"s" * 32, vault_id="v1") == b"the key"
    for secret, vault_id, content in ((b"t" * 32, "v1", sealed), (b"s" * 32, "v2", sealed), (b"s" * 32, "v1", b"")):
        with pytest.raises(ForeignError):
            custody.unseal_key(content, secret, vault_id=vault_id)


@pytest.fixture
def book(present: list[Opened]) -> list[Page]:
    pages: list[Page] = []
    for entry, by in (
        (Entry.FOUNDED, present),
        (Entry.OPENED, present[:2]),
        (Entry.CLOSED, present[1:]),
        (Entry.ATTEMPT, []),
        (Entry.CHECKED, present[::2]),
    ):
        pages.append(custody.page_after(pages, entry, by, item="0" * 64, now=NOW))
    return pages


def first_bad(book: list[Page], people: list[tuple[custody.Custodian, Box]]) -> int | None:
    return custody.first_bad_page(book, [one for one, _ in people], 2)


def test_a_book_kept_as_it_should_be_holds(book: list[Page], people: list[tuple[custody.Custodian, Box]]) -> None:
    """VLT-4.10, VLT-4.11: date, time and people, signed by them."""
    assert first_bad(book, people) is None


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_page_taken_out_is_noticed(
    number: int, book: list[Page], people: list[tuple[custody.Custodian, Box]]
) -> None:
    """VLT-4.14."""
    del book[number - 1]
    assert first_bad(book, people) == number


@pytest.mark.parametrize(
    "change",
    [
        {"at": NOW.replace(year=2025)},
        {"entry": Entry.CHECKED},
        {"note": "x"},
        {"item": "1" * 64},
        {"custodians": ("Aygün", "Cavid")},
        {"custodians": ("Aygün",)},
        {"signatures": {}},
        {"entry": Entry.ATTEMPT},
    ],
)
def test_a_page_changed_is_noticed(
    change: dict[str, object], book: list[Page], people: list[tuple[custody.Custodian, Box]]
) -> None:
    book[1] = replace(book[1], **change)  # type: ignore[arg-type]
    assert first_bad(book, people) == 2


def test_a_page_made_anew_needs_two_people_s_signatures(
    book: list[Page], present: list[Opened], people: list[tuple[custody.Custodian, Box]]
) -> None:
    """VLT-4.1, VLT-4.10: one custodian alone writes no page, even with every hash right."""
    alone = custody.page_after(book, Entry.OPENED, present[:1], item="0" * 64, now=NOW)
    assert first_bad([*book, alone], people) == 6
    stranger = Opened(replace(present[1].custodian, name="Yad"), present[1].share, present[1].signing_key)
    forged = custody.page_after(book, Entry.OPENED, [present[0], stranger], item="0" * 64, now=NOW)
    assert first_bad([*book, forged], people) == 6
    twice = replace(present[0].custodian, name="Bəhruz")
    borrowed = Opened(twice, present[0].share, present[0].signing_key)
    forged = custody.page_after(book, Entry.OPENED, [present[0], borrowed], item="0" * 64, now=NOW)
    assert first_bad([*book, forged], people) == 6
