"""Field types that every JSON contract shares: amounts, IBANs, instants, ids, tax ids. Pure; each fault has its code.

A model's fault becomes a `Refusal` through `validated`: the path is a JSON pointer, the code the field's own
(AMOUNT_INVALID, IBAN_INVALID, TIME_INVALID, REGIME_UNKNOWN) or SCHEMA_INVALID.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from contracts.errors import ErrorCode
from contracts.errors.refusal import RefusedError, refuse
from contracts.instants import instant_of

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,14})\.[0-9]{2}$"
IBAN_PATTERN = r"^AZ[0-9]{2}[A-Z]{4}[0-9A-Z]{20}$"
INSTANT_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]{0,34}$"  # fits Max35Text of ISO 20022 and a URL path as it stands
MESSAGE_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"
SUBJECT_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"  # of a noun, made from the lot's and the bidder's ids
TEXT_PATTERN = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
TAX_ID_PATTERN = r"^([0-9]{9}[12]|[0-9A-HJ-NP-Z]{7})$"  # VÖEN of 10 digits, or FIN of 7 characters
BIC_PATTERN = r"^[A-Z]{4}AZ[A-Z0-9]{2}([A-Z0-9]{3})?$"
TEXT_MAX = 500  # characters of a title, an address, a reason
BANK_CODE_PATTERN = r"^[0-9]{6}$"

REGIMES = ("enforcement", "mortgage", "tax", "voluntary", "state")


class WireModel(BaseModel):
    """Strict, closed, frozen; camelCase on the wire."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
    )


ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(model: type[ModelT], value: Any) -> ModelT:
    """Check a parsed JSON value against a model, by its wire names only.

    Raises:
        RefusedError: the first fault, with its JSON pointer.
    """
    try:
        return model.model_validate(value, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _refusal(error) from None


def is_message_id(text: str) -> bool:
    """Whether a text may be the id of a message."""
    return re.fullmatch(MESSAGE_ID_PATTERN, text) is not None


def is_subject_id(text: str) -> bool:
    """Whether a text may be the id of a noun."""
    return re.fullmatch(SUBJECT_ID_PATTERN, text) is not None


def iban_is_valid(iban: str) -> bool:
    """An Azerbaijani IBAN whose ISO 7064 mod 97-10 check holds."""
    if re.fullmatch(IBAN_PATTERN, iban) is None:
        return False
    return _mod_97(iban[4:] + iban[:4]) == 1


def make_iban(bank_letters: str, number: str) -> str:
    """Compute the check digits: four letters of the bank and a number of up to 20 characters, zeros put in front."""
    account = bank_letters + number.rjust(20, "0")
    return f"AZ{98 - _mod_97(account + 'AZ00'):02d}{account}"


def _mod_97(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97


def _refusal(error: ValidationError) -> RefusedError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = "/" + "/".join(str(part) for part in first["loc"])
    code = ErrorCode(first["type"]) if first["type"] in _OWN_CODES else ErrorCode.SCHEMA_INVALID
    return refuse(code, path=path, fault=_words(first))


def _words(fault: ErrorDetails) -> str:
    """What is wrong, in our words: the library's own name our classes."""
    if fault["type"] not in _LIBRARYS:
        return fault["msg"]
    return _WORDS.get(fault["type"], "not by the schema").format(**fault.get("ctx", {}))


_LIBRARYS: frozenset[str] = frozenset(get_args(ErrorType))
_WORDS = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such member",
    "literal_error": "wanted is {expected}",
    "model_type": "an object is wanted",
    "model_attributes_type": "an object is wanted",
    "list_type": "a list is wanted",
    "string_type": "a string is wanted",
    "int_type": "a whole number is wanted",
    "bool_type": "true or false is wanted",
}

_OWN_CODES = frozenset(
    {ErrorCode.AMOUNT_INVALID, ErrorCode.IBAN_INVALID, ErrorCode.TIME_INVALID, ErrorCode.REGIME_UNKNOWN}
)


def _fault(code: ErrorCode, message: str) -> PydanticCustomError:
    return PydanticCustomError(code.value, message)


def _amount(value: Any) -> str:
    if not isinstance(value, str):
        raise _fault(ErrorCode.AMOUNT_INVALID, "an amount is a string such as 18750.00, never a JSON number")
    if re.fullmatch(AMOUNT_PATTERN, value) is None:
        raise _fault(ErrorCode.AMOUNT_INVALID, "an amount has no sign and exactly two decimals")
    return value


def _positive_amount(value: Any) -> str:
    amount = _amount(value)
    if amount == "0.00":
        raise _fault(ErrorCode.AMOUNT_INVALID, "an amount here is more than 0.00")
    return amount


def _iban(value: Any) -> str:
    if not isinstance(value, str) or not iban_is_valid(value):
        raise _fault(ErrorCode.IBAN_INVALID, "not an IBAN of Azerbaijan with right check digits")
    return value


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value.astimezone(UTC)
    if not isinstance(value, str) or re.fullmatch(INSTANT_PATTERN, value) is None:
        raise _fault(
            ErrorCode.TIME_INVALID, "a date-time is RFC 3339 with its offset, such as 2026-11-22T10:00:00+04:00"
        )
    moment = instant_of(value)
    if moment is None:
        raise _fault(ErrorCode.TIME_INVALID, "there is no such moment")
    return moment


def _instant_text(value: datetime) -> str:
    """UTC with milliseconds: the one way we write an instant."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _regime(value: Any) -> str:
    if value not in REGIMES:
        raise _fault(ErrorCode.REGIME_UNKNOWN, "one of " + ", ".join(REGIMES))
    return str(value)


def _text(pattern: str, length_max: int) -> Any:
    compiled = re.compile(pattern)

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "a string is wanted")
        if len(value) > length_max or compiled.fullmatch(value) is None:
            raise PydanticCustomError(
                "pattern",
                "at most {length} characters of the pattern {pattern}",
                {
                    "length": length_max,
                    "pattern": pattern,
                },
            )
        return value

    return check


def _schema(pattern: str, length_max: int | None = None, **more: Any) -> WithJsonSchema:
    limit = {} if length_max is None else {"maxLength": length_max}
    return WithJsonSchema({"type": "string", "pattern": pattern, **limit, **more})


Amount = Annotated[str, BeforeValidator(_amount), _schema(AMOUNT_PATTERN, description="AZN, two decimals")]
PositiveAmount = Annotated[
    str, BeforeValidator(_positive_amount), _schema(AMOUNT_PATTERN, description="AZN, two decimals, above zero")
]
Iban = Annotated[str, BeforeValidator(_iban), _schema(IBAN_PATTERN, description="mod 97 check digits must hold")]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(_instant_text, return_type=str, when_used="json"),
    _schema(INSTANT_PATTERN, format="date-time"),
]
RegimeName = Annotated[str, BeforeValidator(_regime), WithJsonSchema({"type": "string", "enum": list(REGIMES)})]
Id = Annotated[str, BeforeValidator(_text(ID_PATTERN, 35)), _schema(ID_PATTERN)]
MessageId = Annotated[str, BeforeValidator(_text(MESSAGE_ID_PATTERN, 64)), _schema(MESSAGE_ID_PATTERN)]
SubjectId = Annotated[str, BeforeValidator(_text(SUBJECT_ID_PATTERN, 128)), _schema(SUBJECT_ID_PATTERN)]
Name = Annotated[str, BeforeValidator(_text(TEXT_PATTERN, 140)), _schema(TEXT_PATTERN, 140)]
Reference = Annotated[str, BeforeValidator(_text(TEXT_PATTERN, 35)), _schema(TEXT_PATTERN, 35)]
Text = Annotated[str, BeforeValidator(_text(TEXT_PATTERN, TEXT_MAX)), _schema(TEXT_PATTERN, TEXT_MAX)]
TaxId = Annotated[str, BeforeValidator(_text(TAX_ID_PATTERN, 10)), _schema(TAX_ID_PATTERN)]
Bic = Annotated[str, BeforeValidator(_text(BIC_PATTERN, 11)), _schema(BIC_PATTERN)]
BankCode = Annotated[str, BeforeValidator(_text(BANK_CODE_PATTERN, 6)), _schema(BANK_CODE_PATTERN)]


class AccountModel(WireModel):
    """An account at a bank in Azerbaijan."""

    holder: Name
    iban: Iban
    bic: Bic
    tax_id: TaxId | None = None
