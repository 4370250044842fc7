"""How much is taken in, how it is sent, stamped and watched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.types import (
    Section,
    Url,
    Waits,
)


class IntakeSettings(Section):
    """How much is taken in, so that what is taken can be kept."""

    outbox_max: int = Field(
        100_000, ge=1, description="Deliveries waiting to be sent above which new work is refused (503, Retry-After)"
    )
    wait_max_s: float = Field(
        1.0, gt=0, le=60, description="Wait of new work for the database above which more is refused (503, Retry-After)"
    )
    late_max_s: float = Field(
        0.1, gt=0, le=10, description="Lateness of the process above which who takes most of its time is refused (503)"
    )
    requests_per_s: float = Field(500.0, gt=0, description="Requests a second that one client may send for ever")
    requests_burst: int = Field(2000, ge=1, description="Requests that it may send at once after a rest")
    rail_per_s: float = Field(
        2000.0, gt=0, description="Messages a second that AÖS, AZIPS and Asan Pay may each send for ever"
    )
    rail_burst: int = Field(20_000, ge=1, description="Messages that each of them may send at once after a rest")


class DispatcherSettings(Section):
    """How what we send is sent until it is acknowledged."""

    concurrency_per_recipient: int = Field(8, ge=1, le=256, description="Messages under way to one recipient at once")
    lease_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Time one process keeps a row before another may take it; twice the longest attempt, or more",
    )
    short_lease_allowed: bool = Field(
        False, description="Whether it may be shorter: two processes may then send the same at once, under one id"
    )
    breaker_failures: int = Field(
        5, ge=1, le=1000, description="Attempts without an answer in a row after which a recipient is left alone"
    )
    breaker_pause_s: float = Field(
        5.0, gt=0, le=3600, description="Time until one attempt probes it; doubles with every probe in vain"
    )
    breaker_pause_max_s: float = Field(300.0, gt=0, le=3600, description="Longest time between probes")
    rail_wait_max_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        description="Longest wait for AÖS and AZIPS, between attempts and between probes: money waits with it",
    )
    poll_s: float = Field(0.5, gt=0, le=60, description="How often due rows are looked for when nothing announces them")
    retry_s: Waits = Field(
        (1, 5, 15, 60, 300, 900, 3600, *(7200,) * 12),
        min_length=1,
        max_length=100,
        description="Waits between attempts, seconds; after the last a person is asked",
    )
    jitter_ratio: float = Field(0.1, ge=0, le=0.5, description="Share by which a wait is lengthened at random")
    warn_at_percent: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (50, 70, 90), max_length=10, description="Shares of the whole schedule after which a person is warned"
    )


class DeliverySettings(Section):
    """A schedule of its own for a channel, or for one recipient of it."""

    channel: Literal["aos", "asan_pay", "banks", "ministries", "notary", "platform", "refusals"] = Field(
        description="`aos`, `asan_pay`, `banks`, `ministries`, `notary`, `platform` or `refusals`"
    )
    recipient: str | None = Field(None, min_length=1, description="Code of the recipient; without, all of the channel")
    retry_s: Waits = Field(min_length=1, max_length=100, description="Its waits between attempts, seconds")


class TimeStampSettings(Section):
    """Time-stamps (RFC 3161) over batches of the journal; without an address nothing is stamped."""

    url: Url | None = Field(None, description="Where the authority of time takes queries")
    interval_s: float = Field(60.0, gt=0, le=3600, description="Time between two batches")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for one stamp")
    grace_s: float = Field(
        86_400.0, gt=0, description="How long lines may wait for their stamp before the gateway is not ready"
    )
    seal_wait_s: float = Field(
        300.0, ge=0, le=86_400, description="How long a protocol may wait for its stamp before it is sealed without one"
    )


class WatchdogSettings(Section):
    """The watch over everything accepted: done, scheduled, or waiting for a person."""

    interval_s: float = Field(10.0, gt=0, le=60, description="How often everything is counted")
    late_s: float = Field(60.0, gt=0, description="How long a due delivery may lie before it is an alarm")
    proven_nouns: int = Field(
        20, ge=0, le=1000, description="Nouns held against their journal at each count, one after the other; 0: none"
    )
