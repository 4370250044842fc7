"""The operators' console, where it is wanted: what it looks at, who may come, and its socket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import structlog

from gateway.bootstrap.surroundings import Surroundings
from gateway.bootstrap.ways_in import Inside, readiness
from gateway.config import Config, build_rulebook
from gateway.config.console import ConsoleSettings
from gateway.doors.console import Desk, Finder, VisitPolicy, Visits, Watches, console_app
from gateway.doors.health import passing
from gateway.engine.dispatcher import Dispatcher
from gateway.keys.expiry import ExpiryWatch
from gateway.logs import alarms_heard
from gateway.tls import console_ssl
from gateway.wire.server import Running, serve_app

_log = structlog.get_logger(__name__)


def visit_policy(settings: ConsoleSettings) -> VisitPolicy:
    """How long links and visits last."""
    return VisitPolicy(
        link=timedelta(seconds=settings.link_s),
        session=timedelta(seconds=settings.session_s),
        idle=timedelta(seconds=settings.idle_s),
    )


async def open_console(
    house: Surroundings, inside: Inside, dispatcher: Dispatcher, expiry: ExpiryWatch
) -> Running | None:
    """Serve the console; None where it is not wanted. A port that is taken is an alarm and stops no payment: another
    replica on this machine most likely has it, and shows the same.
    """
    settings = house.config.console
    if not settings.enabled:
        return None
    watches, engine = _watches(house, inside, dispatcher, expiry), inside.engine
    grace = timedelta(seconds=house.config.revocation.grace_s)
    finder = Finder(engine.store, watches, clock=house.clock, grace=grace)
    desk = Desk(
        engine=engine,
        rules=build_rulebook(house.config),
        visits=Visits(engine, visit_policy(settings), clock=house.clock),
        finder=finder,
        clock=house.clock,
        replica=house.replica,
        names=_names(house.config),
        heard=alarms_heard,
        sources=participants(house.config),
    )
    context = console_ssl(house.config)
    encrypted = context is not None or settings.plaintext_allowed  # a sidecar encrypts
    app = console_app(desk, host=settings.host, names=settings.names, encrypted=encrypted)
    try:
        running = await serve_app(app, settings.host, settings.port, context)
    except OSError as error:
        _log.error("alarm", alarm="CONSOLE_NOT_SERVED", facts={"port": settings.port, "reason": str(error)})
        return None
    house.stack.push_async_callback(running.close)
    house.keep_running(finder.run(), "console")
    return running


def _watches(house: Surroundings, inside: Inside, dispatcher: Dispatcher, expiry: ExpiryWatch) -> Watches:
    checks, stamping, grants = readiness(house, inside), inside.stamping, inside.grants
    return Watches(
        census=lambda: inside.watchdog.census,
        count_every_s=house.config.watchdog.interval_s,
        checks=lambda: passing(checks),
        standings=house.standings,
        expiries=expiry.all,
        breakers=lambda: dispatcher.breakers,
        stamping=lambda: None if stamping is None else stamping.standing,
        stamp_every_s=house.config.time_stamps.interval_s,
        backlog_max=house.config.intake.outbox_max,
        grants=lambda: () if grants is None else grants.alarms,
    )


def participants(config: Config) -> tuple[str, ...]:
    """Codes of everybody who sends us messages."""
    azips = () if config.azips is None else (config.azips.participant,)
    rails = (config.platform.participant, config.aos.participant, config.asan_pay.participant, *azips)
    return (*rails, *(bank.code for bank in config.banks), *(ministry.code for ministry in config.ministries))


def _names(config: Config) -> Mapping[str, str]:
    banks = {bank.code: bank.name for bank in config.banks}
    return banks | {ministry.code: ministry.name for ministry in config.ministries}
