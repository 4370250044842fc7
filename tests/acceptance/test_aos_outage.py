"""AÖS executes an order, and is away for eleven minutes before it has told anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from city import PAYER_IBAN, City

from adapters.aos.central.orders import OrderState
from adapters.aos.faults import Fault, FaultKind
from gateway.config.work import DispatcherSettings
from gateway.engine.dispatcher import Dispatcher

AWAY = timedelta(minutes=11)
STEP = timedelta(seconds=10)
PAYMENT = "L1.purchase"


@pytest_asyncio.fixture
async def city(tmp_path: Path) -> AsyncIterator[City]:
    """With the schedules and the rail's profile as they are by default."""
    made = City(tmp_path)
    await made.open(
        faults=[Fault(kind=FaultKind.SILENCE, ibans=frozenset({PAYER_IBAN}))],
        EHERRAC__AOS__ANSWER_TIMEOUT_S="25",
        EHERRAC__AOS__ENQUIRY_INTERVAL_S="30",
        EHERRAC__DISPATCHER__RETRY_S=str(list(DispatcherSettings().retry_s)),
        EHERRAC__DISPATCHER__POLL_S="0.01",
    )
    yield made
    await made.close()


class Looked:
    """How often the dispatcher has looked for what is due."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher, self._looks, look = dispatcher, 0, dispatcher._look

        async def counted() -> float:
            pause_s = await look()
            self._looks += 1
            return pause_s

        dispatcher._look = counted  # type: ignore[method-assign]

    def at_rest(self) -> Callable[[], bool]:
        """Since now it has looked twice, the first of which may have been under way, and all it began has ended."""
        before = self._looks
        return lambda: self._looks >= before + 2 and not self._dispatcher._tasks


def executed(city: City) -> int:
    return sum(order.state is OrderState.SETTLED for order in city.aos.system.orders.values())


async def is_asked(city: City) -> bool:
    """Whether AÖS has acknowledged our question."""
    lines = await city.deliveries("payment", PAYMENT, "DeliveryAcknowledged")
    return any('"PaymentEnquiry"' in line.data for line in lines)


async def pass_time(city: City, most: timedelta, dispatcher: Looked) -> timedelta:
    """Let the town's clock run until AÖS has our question, or so much has passed; how much that was."""
    passed = timedelta(0)
    while passed < most and not await is_asked(city):
        city.offset += STEP
        passed += STEP
        await city.until(dispatcher.at_rest())  # whatever became due has had its attempt
    return passed


async def test_a_long_silence_wakes_nobody_and_ends_within_the_rails_longest_wait(city: City) -> None:
    """AOS-I2, AOS-G5: the one question that AÖS never got is not counted, and goes as soon as it is back."""
    await city.announce("L1")
    assert (await city.unsold("L1")).status == 202
    await city.until(lambda: executed(city) == 1)
    await city.aos.go_away()
    dispatcher = Looked(city.system.dispatcher)
    assert await pass_time(city, AWAY, dispatcher) == AWAY
    assert (await city.noun("payment", PAYMENT)).state == "unknown"
    await city.aos.listen()
    wait = timedelta(seconds=DispatcherSettings().rail_wait_max_s * (1 + DispatcherSettings().jitter_ratio))
    assert await pass_time(city, 3 * wait, dispatcher) <= wait + 2 * STEP
    await city.until_state("lot", "L1", "concluded")
    events = await city.events("payment", PAYMENT)
    assert events.count("EnquiryDue") == 1
    assert "EnquiriesExhausted" not in events
    assert executed(city) == 1
