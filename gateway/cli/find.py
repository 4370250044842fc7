"""`find`: what somebody on the telephone may mean by what they read out."""

from __future__ import annotations

from gateway.cli.console import fail, say
from gateway.cli.settings import ConfigPath, load
from gateway.cli.show import Language, with_store
from gateway.engine.names import Found, What, find
from gateway.store import Store
from gateway.store.interface import Reader


def find_id(id: str, *, config: ConfigPath = None, language: Language = "az") -> None:
    """Everything that an id may mean, whoever made it; what was looked for, and exit code 1, where that is nothing."""
    from gateway.bootstrap.console import participants
    from gateway.doors.console.words import text

    sources = participants(load(config))

    def look(reader: Reader) -> list[str]:
        found = find(reader, id, sources)
        return [f"{_line(reader, item)}  {text(language, f'find.what.{item.what}')}" for item in found]

    async def work(store: Store) -> None:
        for line in (found := await store.read(look)):
            say(line)
        if not found:
            say(text(language, "find.looked_for"))
            for what in What:
                say(f"  {text(language, f'find.what.{what}')}")
            say(text(language, "find.not_kept"))
            fail(f"{text(language, 'find.nothing')} {id}", 1)

    with_store(config, work)


def _line(reader: Reader, item: Found) -> str:
    """Kind, id, state, lot or recipient; fixed columns."""
    if item.row is not None:
        return f"{item.row.noun:<12} {item.id:<40} {item.row.state:<20} {item.row.lot_id or '-':<20}"
    sent = None if item.what is What.PARTICIPANT else reader.find_outbox(item.id)
    if sent is not None:
        return f"{'delivery':<12} {item.id:<40} {sent.state:<20} {sent.recipient:<20}"
    return f"{'participant':<12} {item.id:<40} {'-':<20} {'-':<20}"
