"""The door for Asan Pay's payment notifications: a signed POST in, a signed answer out when it is on disk.

The signature was verified by the server's middleware (`gateway.wire.server`); here it is read who may speak, what was
said, and which collection it concerns. That the case number is repeated (EHR-12) and the amount right, the collection
itself decides.
"""

from __future__ import annotations

import hashlib
from typing import Final

from aiohttp import web

from contracts.asan_pay import codec
from contracts.asan_pay.messages import NotificationAnswer, PaymentNotification
from contracts.errors import ErrorCode
from contracts.errors.refusal import refuse
from gateway.domain.events.collection import Paid
from gateway.domain.money import Money
from gateway.ports import Message, Receiver, Target
from gateway.wire.server import EXHIBIT, RAW_BODY, VERIFIED

NOTIFICATIONS_PATH: Final = codec.NOTIFICATIONS_PATH


class AsanPayDoor:
    """Takes notifications from the one participant that may send them."""

    def __init__(self, receiver: Receiver, *, participant: str = "ASANPAY") -> None:
        self._receiver = receiver
        self._participant = participant

    def routes(self) -> list[web.RouteDef]:
        """To be added to an application behind `signed_http`."""
        return [web.post(NOTIFICATIONS_PATH, self.notified)]

    async def notified(self, request: web.Request) -> web.Response:
        """Record one payment and answer.

        Raises:
            RefusedError: NOT_PERMITTED, CONTENT_TYPE, those of `codec.read`, and the collection's own.
        """
        caller = request[VERIFIED].signer.participant
        if caller != self._participant:
            raise refuse(ErrorCode.NOT_PERMITTED, operation="payment notification", participant=caller)
        if request.content_type != codec.MEDIA_TYPE:
            raise refuse(ErrorCode.CONTENT_TYPE, received=request.content_type, expected=codec.MEDIA_TYPE)
        raw = request[RAW_BODY]
        notification = codec.read(PaymentNotification, raw)
        answer = await self._receiver.receive(
            Message(
                source=self._participant,
                id=notification.notification_id,
                target=Target(noun="collection", id=notification.invoice_id),
                event=_paid(notification),
                digest=hashlib.sha256(raw).hexdigest(),
                exhibits=(request[EXHIBIT],),
            )
        )
        return _response(
            NotificationAnswer(
                notification_id=notification.notification_id,
                invoice_id=answer.id,
                state=answer.state,
                accepted_at=answer.accepted_at,
                repeated=answer.repeated,
            )
        )


def _paid(notification: PaymentNotification) -> Paid:
    return Paid(
        amount=Money.parse(notification.amount, notification.currency),
        operation_number=notification.operation_number,
        paid_at=notification.paid_at,
        case_number=notification.case_number,
    )


def _response(answer: NotificationAnswer) -> web.Response:
    return web.Response(body=codec.write(answer), content_type=codec.MEDIA_TYPE)
