"""The town under siege: gateways as programs behind a balancer, neighbours that live on and remember what they saw.

AÖS, Asan Pay, banks, the platform, the authority of time and two ministries live in this process. One ministry, the
broker and the gateways are programs of their own. Our own look into the store is open only between two blows: a second
connection would keep SQLite's log from being recovered by the one that starts.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from city import City
from town import world_keys

from adapters.aos.faults import Fault, FaultKind
from adapters.banks.sandbox.settings import Behaviour
from adapters.ministries.kafka import KafkaSettings, create_topics
from adapters.ministries.sandbox import Answering, MinistrySandbox, MinistrySandboxSettings
from adapters.timestamping.sandbox import TsaSandbox, TsaSandboxSettings
from contracts.soap.model import Notice
from gateway.bootstrap import kafka_settings, topics_of
from gateway.cli.pki import load_authority, save_authority
from gateway.config import load_config
from gateway.store import Store, open_store
from kill.lots import POOR_IBAN, Lot
from kill.nursery import Nursery
from kill.points import Engine
from kill.processes import ROOT, Balancer, Gateway, Program, environment
from kill.receipts import Refusals, WrongReceipts

MORTAL_MINISTRY = "ECONOMY"
WRONG_MINISTRY = "JUSTICE"  # sends receipts that are refused, and is told
_TOPICS = ("economy", "justice", "interior", "receipts", "refusals")
LEASE_S = 4  # what a dead dispatcher had in hand waits as long
SESSION_S = 4.0  # and a dead consumer's partitions
_FETCH_WAIT_S = 0.3
REPLICAS = {Engine.SQLITE: 1, Engine.POSTGRESQL: 2}
_AGAIN = [0.2, 0.2, 0.5, 0.5, *[1] * 60]
SETTINGS = {
    "EHERRAC__DISPATCHER__RETRY_S": str(_AGAIN),
    "EHERRAC__DISPATCHER__LEASE_S": str(LEASE_S),
    "EHERRAC__DISPATCHER__SHORT_LEASE_ALLOWED": "true",  # attempts may overlap: harder than production
    "EHERRAC__DISPATCHER__POLL_S": "0.5",
    "EHERRAC__DISPATCHER__BREAKER_PAUSE_S": "0.3",
    "EHERRAC__DISPATCHER__BREAKER_PAUSE_MAX_S": "1",
    "EHERRAC__AOS__ANSWER_TIMEOUT_S": "5",
    "EHERRAC__AOS__ENQUIRY_INTERVAL_S": "5",
    "EHERRAC__AOS__ENQUIRIES_MAX": "1000",
    "EHERRAC__KAFKA__SESSION_TIMEOUT_S": str(SESSION_S),
    "EHERRAC__KAFKA__DELIVERY_TIMEOUT_S": "6",
    "EHERRAC__KEYS__RELOAD_S": "60",
    "EHERRAC__TIME_STAMPS__INTERVAL_S": "3",
    "EHERRAC__LOG__LEVEL": "WARNING",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """What stands behind the gateway. Without addresses: a SQLite file and the embedded broker. `before`: the folder of
    an older build, for sieges of an upgrade.
    """

    engine: Engine
    dsn: str = ""
    kafka: str = ""
    before: Path | None = None


@dataclass(slots=True)
class House:
    """What a town calls its system: here an address, a broker, and a look into the store while it is open."""

    address: str
    kafka: str
    url: str
    _open: Store | None = None

    @property
    def store(self) -> Store:
        assert self._open is not None, "the store is looked at only between two blows"
        return self._open

    async def look(self) -> None:
        if self._open is None:
            self._open = await open_store(self.url, pool_size=2)

    async def look_away(self) -> None:
        if self._open is not None:
            await self._open.close()
        self._open = None

    async def close(self) -> None:
        await self.look_away()


@dataclass(slots=True)
class Records:
    """What lies on the ministries' topics, as a reader of our own sees it: the lot by id, how often, and where."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)  # topic and id
    lots: dict[str, str] = field(default_factory=dict)


class Besieged(City):
    """A city whose gateways are victims."""

    system: House  # type: ignore[assignment]

    def __init__(self, folder: Path, backing: Backing) -> None:
        super().__init__(folder)
        self.backing = backing
        self.gateways: list[Gateway] = []
        self.records = Records()
        self.refusals = Refusals()
        self.called_back: Counter[tuple[str, str]] = Counter()  # bank and id, every callback that came
        self.decisions: dict[str, Behaviour] = {}
        self.payers: dict[str, str] = {}
        self.mark = folder / "mark"  # whoever dies at a named point leaves it behind
        self._name = uuid4().hex[:8]  # of topics, group and schema: towns share the services
        self._programs: list[Program] = []

    @property
    def tells_of_refusals(self) -> bool:
        """A build of before may not know how."""
        return self.backing.before is None

    # -- opening and closing -----------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Everybody up, the gateways too."""
        await self.open(
            decisions=self.decisions,
            payers=self.payers,
            publish_again_max_s=0.5,
            publish_timeout_s=10.0,
            **SETTINGS | {"EHERRAC__TIME_STAMPS__URL": await self._authority_of_time()},
        )
        for bank in self.banks.values():
            self._tap(bank)
        self.wrong = self._wrong_receipts()
        self._reading = asyncio.create_task(self._read_topics())

    async def start_gateway(self, environ: dict[str, str]) -> None:
        save_authority(self.folder / "keys", load_authority(self.folder / "keys"), self.now())
        environ |= await (self._sqlite() if self.backing.engine is Engine.SQLITE else self._postgres(environ))
        self.environ = environ
        count = REPLICAS[self.backing.engine]
        self.nursery = Nursery(environment())
        await self.nursery.start()
        self.gateways = [Gateway(f"gateway-{n}", self.folder, environ, self.nursery) for n in range(count)]
        self._balancer = Balancer(self.gateways)
        address = await self._balancer.start()
        self.system = House(address, environ["EHERRAC__KAFKA__BOOTSTRAP"], environ["EHERRAC__STORE__URL"])
        await asyncio.gather(*(gateway.serve(self.mark) for gateway in self.gateways))

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.wrong.close()
        await asyncio.gather(*(gateway.end() for gateway in self.gateways))
        await self.nursery.close()
        await super().close()
        for program in self._programs:
            await program.end()
        await self._balancer.close()
        if self.backing.engine is Engine.POSTGRESQL:
            self._in_postgres(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")

    async def _sqlite(self) -> dict[str, str]:
        self.topics = _TOPICS
        self._broker = Program(str(ROOT / "tests" / "broker_process.py"), *self.topics, log=self.folder / "broker.log")
        self._programs.append(self._broker)
        return self._named(await self._broker.start())

    async def _postgres(self, environ: dict[str, str]) -> dict[str, str]:
        self.topics = tuple(f"{self._name}.{name}" for name in _TOPICS)
        self.schema = f"kill_{self._name}"
        self._in_postgres(f"CREATE SCHEMA {self.schema}")
        url = f"{self.backing.dsn}?options={quote(f'-csearch_path={self.schema}')}"
        named = self._named(self.backing.kafka) | {
            "EHERRAC__STORE__URL": url,
            "EHERRAC__STORE__CONNECTIONS_MAX": "4",
            "EHERRAC__KAFKA__CLIENT_ID": self._name,
        }
        config = load_config(self.folder / "gateway.toml", environ | named)
        await create_topics(kafka_settings(config, self.backing.kafka), topics_of(config))
        return named

    def _named(self, bootstrap: str) -> dict[str, str]:
        topics = {f"EHERRAC__MINISTRIES__{number}__TOPIC": topic for number, topic in enumerate(self.topics[:3])}
        if self.tells_of_refusals:
            topics[f"EHERRAC__MINISTRIES__{_TOPICS.index(WRONG_MINISTRY.lower())}__REFUSALS_TOPIC"] = self.topics[4]
        return topics | {"EHERRAC__KAFKA__RECEIPTS_TOPIC": self.topics[3], "EHERRAC__KAFKA__BOOTSTRAP": bootstrap}

    def _in_postgres(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.backing.dsn, autocommit=True) as connection:
            connection.execute(statement.encode())

    async def _authority_of_time(self) -> str:
        shutil.copytree(world_keys(), self.folder / "keys")
        credential = load_authority(self.folder / "keys").issue_time_stamper("Vaxt", key="p256", now=self.now())
        tsa = await self._start(TsaSandbox(TsaSandboxSettings(credential=credential), clock=self.now))
        address: str = tsa.address
        return address

    # -- neighbours --------------------------------------------------------------------------------------------------

    def _ministry(self, code: str, answering: Answering) -> Any:
        topic = dict(zip([part.code for part in self.world.ministries], self.topics, strict=False))[code]
        if code == MORTAL_MINISTRY:
            arguments = ("-m", "kill.ministry", str(self.folder / "keys" / code), self.system.kafka, topic)
            self.ministry = Mortal(
                Program(*arguments, self.topics[3], str(SESSION_S), log=self.folder / "ministry.log")
            )
            return self.ministry
        kafka = KafkaSettings(
            bootstrap_servers=self.system.kafka,
            client_id=f"ministry-{code}",
            session_timeout_s=SESSION_S,
            fetch_wait_s=_FETCH_WAIT_S,
        )
        settings = MinistrySandboxSettings(
            identity=self.keys(code), kafka=kafka, topic=topic, receipts=self.topics[3], answering=answering
        )
        return MinistrySandbox(settings, clock=self.now)

    def _wrong_receipts(self) -> WrongReceipts:
        kafka = KafkaSettings(bootstrap_servers=self.system.kafka, client_id="wrong-receipts")
        return WrongReceipts(self.keys(WRONG_MINISTRY), kafka, self.topics[3], self.now)

    def _tap(self, bank: Any) -> None:
        """Count the callbacks themselves: what a bank pulls from its feed is no callback."""
        take, code = bank.callbacks._take, bank._settings.code

        def counted(notice: Notice) -> None:
            self.called_back[code, notice.id] += 1
            take(notice)

        bank.callbacks._take = counted

    def expect(self, lot: Lot) -> None:
        """Tell the neighbours how they behave about a lot."""
        if lot.way == "poor":
            self.payers[lot.id] = POOR_IBAN
        if lot.way == "refuse":
            self.decisions[lot.id] = Behaviour.REFUSE
        if lot.way == "silent":
            self.aos.plan.faults.append(Fault(kind=FaultKind.SILENCE, end_to_end_ids=frozenset({lot.purchase})))

    async def _read_topics(self) -> None:
        """For ever; a broker that dies is read again when it is back."""
        while True:
            consumer = AIOKafkaConsumer(
                *self.topics,
                bootstrap_servers=self.system.kafka,
                auto_offset_reset="earliest",
                client_id="outsider",
            )
            self.records.seen.clear()
            self.refusals.clear()
            try:
                await consumer.start()
                async for record in consumer:
                    self._note(record)
            except (KafkaError, OSError):
                await asyncio.sleep(0.2)
            finally:
                with suppress(KafkaError, OSError):
                    await consumer.stop()

    def _note(self, record: Any) -> None:
        *protocols, receipts, refusals = self.topics
        if record.topic in protocols:
            id = dict(record.headers)["ce_id"].decode()
            self.records.seen[record.topic, id] += 1
            self.records.lots[id] = record.key.decode()
        elif record.topic == receipts:
            self.refusals.refused(record)
        elif record.topic == refusals:
            self.refusals.hear(record)


class Mortal:
    """A neighbour that is a program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    async def start(self) -> None:
        await self.program.start()

    async def close(self) -> None:
        await self.program.end()
