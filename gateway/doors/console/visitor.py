"""One request at the console: who asks, in which language, and the page that is the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from contracts.visible import visible
from gateway.alarms import book
from gateway.domain.visit import Role
from gateway.doors.console import shown
from gateway.doors.console.desk import Desk
from gateway.doors.console.reasons import explained
from gateway.doors.console.visits import Presence
from gateway.doors.console.words import DEFAULT, LANGUAGES, text, text_or

LANGUAGE_COOKIE = "language"
LIVE = "live"  # a page that is only fetched anew: nobody did anything


def _seen(value: Any) -> Any:
    """What is put into a page; what a macro made of it is through already."""
    return visible(value) if type(value) is str else value


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("gateway.doors.console"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"moment": shown.moment, "moment_utc": shown.moment_utc, "clock_time": shown.clock_time}
    made.globals |= {"languages": LANGUAGES, "Role": Role, "short_name": shown.short_name}
    return made


def language_of(request: web.Request) -> str:
    """The language chosen before; Azerbaijani otherwise."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, DEFAULT)
    return chosen if chosen in LANGUAGES else DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks for what. Handlers that need nobody signed in get one without presence."""

    request: web.Request
    desk: Desk
    presence: Presence | None
    form: Mapping[str, str]  # of a POST, already known to come from a page of ours
    now: datetime

    @property
    def language(self) -> str:
        return language_of(self.request)

    @property
    def who(self) -> Presence:
        """Who is signed in; only for handlers of a role."""
        assert self.presence is not None
        return self.presence

    def asked(self, name: str) -> str:
        """A parameter of the address, without blanks around it; empty where it is not there."""
        return self.request.query.get(name, "").strip()

    def number(self, name: str) -> int | None:
        """A parameter that is a number of ours; None for anything else."""
        value = self.asked(name)
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None

    def say(self, key: str, **facts: object) -> str:
        """A text in this person's language."""
        return text(self.language, key, **facts)

    def page(self, template: str, *, status: int = HTTPStatus.OK, **view: Any) -> web.Response:
        """A whole page."""
        return render(self.request, self.desk, self.presence, template, status=status, now=self.now, **view)

    def message(self, key: str, status: int) -> web.Response:
        """A page that says one thing: `message.KEY.title` and `.text`."""
        return self.page("message.html", status=status, key=key)


def see_other(location: str) -> web.Response:
    """Look there, by GET: after a form, so that fetching the page anew does not send it again."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def render(
    request: web.Request,
    desk: Desk,
    presence: Presence | None,
    template: str,
    *,
    now: datetime,
    status: int = HTTPStatus.OK,
    **view: Any,
) -> web.Response:
    """Fill a template in; everything put in is escaped."""
    language = language_of(request)
    here = {name: value for name, value in request.query.items() if name not in ("lang", LIVE)}

    def with_parameters(**changes: object) -> str:
        return "?" + urlencode(here | {name: value for name, value in changes.items() if value is not None})

    content = (
        _templates()
        .get_template(template)
        .render(
            view
            | _words(language)
            | {
                "now": now,
                "path": request.path,
                "presence": presence,
                "replica": desk.replica,
                "with_parameters": with_parameters,
                "form_token": presence.form_token if presence is not None else None,
            }
        )
    )
    return web.Response(text=content, status=status, content_type="text/html", charset="utf-8")


def _words(language: str) -> dict[str, Any]:
    return {
        "language": language,
        "alarms": book(language),
        "t": lambda key, **facts: text(language, key, **facts),
        "word": lambda kind, value: text_or(language, f"{kind}.{value}", str(value)),
        "why": lambda reason: explained(reason, language),
        "span": lambda seconds: shown.span(seconds, language),
        "amount": lambda money: shown.amount(money.minor, money.currency, language),
    }
