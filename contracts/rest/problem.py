"""The problem document of a refusal (RFC 9457), as readers check it. Texts come from the error catalogue."""

from __future__ import annotations

from pydantic import ConfigDict
from pydantic.alias_generators import to_snake

from contracts.fields import WireModel


class ProblemText(WireModel):
    """What it is, what happened, what to do, in one language."""

    title: str
    detail: str
    remedy: str


class ProblemModel(WireModel):
    """A refusal: the stable code, the facts of the case, and whose move it is."""

    model_config = ConfigDict(alias_generator=to_snake)

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str
    retry: bool  # whether the very same message may be sent again later
    who_acts: str
    facts: dict[str, str]
    az: ProblemText
    en: ProblemText
