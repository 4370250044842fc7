"""Every error code that a counterparty can meet. Stable: a code is added, never renamed or given another meaning."""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable codes; text, remedy, HTTP status and retry advice stand in `catalogue.toml` under the same name."""

    # What was signed, and by whom
    SIGNATURE_MISSING = "SIGNATURE_MISSING"  # no signature where one is required
    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED"  # not of the form the profile asks for (facts: step, what)
    SIGNATURE_INCOMPLETE = "SIGNATURE_INCOMPLETE"  # a part that must be signed is not (facts: part)
    SIGNATURE_INVALID = "SIGNATURE_INVALID"  # the signature value does not match the key
    DIGEST_MISMATCH = "DIGEST_MISMATCH"  # a signed part was changed (facts: reference, expected, received)
    ALGORITHM_NOT_ALLOWED = "ALGORITHM_NOT_ALLOWED"
    SIGNATURE_AGE = "SIGNATURE_AGE"  # too old, not yet valid, or without a time
    SIGNATURE_REPEATED = "SIGNATURE_REPEATED"  # the very same signed request was answered before
    CERTIFICATE_MALFORMED = "CERTIFICATE_MALFORMED"
    CERTIFICATE_UNTRUSTED = "CERTIFICATE_UNTRUSTED"  # no path to the trust anchor
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    CERTIFICATE_USAGE = "CERTIFICATE_USAGE"  # key usage or profile does not allow signing
    REVOCATION_UNKNOWN = "REVOCATION_UNKNOWN"  # no fresh revocation list: fail closed
    PARTICIPANT_UNKNOWN = "PARTICIPANT_UNKNOWN"  # the certificate's participant code is not registered
    PARTICIPANT_MISMATCH = "PARTICIPANT_MISMATCH"  # registered, but not the one the message says it is from
    NOT_PERMITTED = "NOT_PERMITTED"  # this participant may not use this operation

    # How it is written
    REQUEST_MALFORMED = "REQUEST_MALFORMED"  # not HTTP that can be read, or its body never came whole
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    CONTENT_TYPE = "CONTENT_TYPE"
    JSON_MALFORMED = "JSON_MALFORMED"
    XML_MALFORMED = "XML_MALFORMED"
    XML_FORBIDDEN = "XML_FORBIDDEN"  # DTD, entity, processing instruction, too deep, too many
    SCHEMA_INVALID = "SCHEMA_INVALID"  # facts: path, fault
    AMOUNT_INVALID = "AMOUNT_INVALID"  # facts: path
    IBAN_INVALID = "IBAN_INVALID"  # facts: path
    TIME_INVALID = "TIME_INVALID"  # a date-time without an offset, or impossible
    OPERATION_UNKNOWN = "OPERATION_UNKNOWN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"

    # What it asks for
    LOT_UNKNOWN = "LOT_UNKNOWN"
    OFFER_UNKNOWN = "OFFER_UNKNOWN"
    PAYMENT_UNKNOWN = "PAYMENT_UNKNOWN"
    COLLECTION_UNKNOWN = "COLLECTION_UNKNOWN"
    PROTOCOL_UNKNOWN = "PROTOCOL_UNKNOWN"
    REFERENCE_UNKNOWN = "REFERENCE_UNKNOWN"  # an answer to something we never sent
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ID_CONFLICT = "ID_CONFLICT"  # the same id with other content
    DEADLINE_PASSED = "DEADLINE_PASSED"
    ALREADY_DECIDED = "ALREADY_DECIDED"
    STATE_CONFLICT = "STATE_CONFLICT"  # facts: noun, state, event
    STATUS_REGRESSION = "STATUS_REGRESSION"  # a final outcome contradicted by a later message
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"  # not the amount the rules or the order give
    ACCOUNT_MISMATCH = "ACCOUNT_MISMATCH"  # an account at another bank than the one that names it
    REGIME_UNKNOWN = "REGIME_UNKNOWN"
    CASE_NUMBER_MISSING = "CASE_NUMBER_MISSING"  # EHR-12
    WINNER_NOT_ADMITTED = "WINNER_NOT_ADMITTED"  # EHR-3, EHR-11: no paid deposit, guarantee or exemption
    BARRED = "BARRED"  # EHR-13: defaulted on the same lot

    # How we are
    OVERLOADED = "OVERLOADED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    INTERNAL = "INTERNAL"
