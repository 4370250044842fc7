"""The console beside a running gateway: links from the command line, TLS, a port that somebody else has, evidence."""

from __future__ import annotations

import asyncio
import re
import ssl as tls
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar
from aos_speaks import post_message, sealed_status
from town import Town, world_keys
from waiting import until

from gateway.cli.pki import load_authority
from gateway.cli.visits import app


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[ClientSession]:
    """Keeps cookies, follows redirects."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield session


def address(town: Town) -> str:
    assert town.system.console is not None
    return town.system.console.address


async def command(town: Town, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command line says, in a loop of its own as on the host."""
    config = town.folder / "gateway.toml"
    if "eherrac.db" in config.read_text():
        config.write_text(config.read_text().replace("sqlite:///eherrac.db", f"sqlite:///{town.folder}/eherrac.db"))
    capsys.readouterr()
    line = (*arguments, "--config", str(config))
    await asyncio.to_thread(app, list(line), result_action="return_value")
    return capsys.readouterr().out.strip()


async def sign_in(session: ClientSession, town: Town, link: str, **options: Any) -> str:
    secret = link.partition("link=")[2]
    async with session.post(address(town) + "/sign-in", data={"link": secret}, **options) as answer:
        return await answer.text()


async def test_a_link_of_the_command_line_signs_in_until_the_command_line_ends_it(
    town: Town, browser: ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    link = await command(town, capsys, "link", "--person", "Leyla Məmmədova", "--role", "operator")
    assert re.fullmatch(r"http://127\.0\.0\.1:8090/sign-in\?link=[\w-]{43}", link)
    assert "invited" in await command(town, capsys, "sessions")
    assert "Leyla Məmmədova" in await sign_in(browser, town, link)
    listed = await command(town, capsys, "sessions")
    assert re.search(r"present +operator .*Leyla Məmmədova", listed)
    assert "is ended" in await command(town, capsys, "end", listed.split()[0], "--person", "Rauf")
    async with browser.get(address(town)) as answer:
        assert answer.status == 401
    assert await command(town, capsys, "sessions") == ""


@pytest.mark.parametrize("person", ["", " ", "a\nb", "x" * 61])
async def test_a_name_no_journal_could_carry_gets_no_link(
    town: Town, capsys: pytest.CaptureFixture[str], person: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        await command(town, capsys, "link", f"--person={person}")
    assert ended.value.code == 1


async def takes_work(town: Town, session: ClientSession) -> bool:
    """Once everything of the gateway stands."""

    async def is_ready() -> bool:
        async with session.get(town.system.address + "/readyz") as answer:
            return answer.status == 200

    await until(is_ready)
    return (await town.announce()).status == 202


async def test_a_port_that_is_taken_stops_no_gateway(tmp_path: Path, browser: ClientSession) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    town = await Town(tmp_path).open(EHERRAC__CONSOLE__PORT=str(port))
    assert town.system.console is None
    assert await takes_work(town, browser)
    await town.close()
    taken.close()


async def test_a_console_that_is_not_wanted_is_not_there(tmp_path: Path, browser: ClientSession) -> None:
    town = await Town(tmp_path).open(EHERRAC__CONSOLE__ENABLED="false")
    assert town.system.console is None
    assert await takes_work(town, browser)
    await town.close()


async def test_over_tls_the_cookie_never_leaves_in_the_open(tmp_path: Path, browser: ClientSession) -> None:
    town, authority = Town(tmp_path), load_authority(world_keys())
    key, chain = authority.issue_server("console", ["127.0.0.1"], now=town.now()).to_pem()
    (tmp_path / "console.key").write_bytes(key)
    (tmp_path / "console.crt").write_bytes(chain)
    await town.open(
        EHERRAC__CONSOLE__TLS_CERTIFICATE=str(tmp_path / "console.crt"),
        EHERRAC__CONSOLE__TLS_KEY=str(tmp_path / "console.key"),
    )
    context = tls.create_default_context(cadata=authority.anchors_pem.decode())
    async with browser.get(f"{address(town)}/sign-in", ssl=context) as answer:
        assert answer.url.scheme == "https"
        assert "max-age" in answer.headers["Strict-Transport-Security"]
    await town.close()


async def test_the_bytes_of_what_aos_sent_and_does_not_verify_are_reached_from_its_refusal(
    town: Town, browser: ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    """AOS-S2."""
    damaged = (await sealed_status(town.identity("AOS").credential)).replace(b"<TxSts>ACSC", b"<TxSts>RJCT")
    assert await post_message(town, "AOS", damaged) == 401
    await sign_in(browser, town, await command(town, capsys, "link", "--person", "Leyla"))
    (line,) = await town.refusals("AOS")
    async with browser.get(f"{address(town)}/refusals/refusal?seq={line.seq}") as answer:
        links = re.findall(r"/evidence\?seq=\d+", await answer.text())
    assert len(links) == 1
    async with browser.get(address(town) + links[0]) as answer:
        assert (await answer.read()).endswith(damaged)
