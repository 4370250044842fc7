"""What programs of others need: keys in their forms, a folder that outlives the test, and a run to its end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from town import Town

PEERS = Path(__file__).with_name("peers")
MADE = Path(__file__).parents[2] / ".run" / "interop"
PASSWORD = "x"
BUILD_MAX_S = 540.0
RUN_MAX_S = 60.0


def keep(town: Town, code: str, folder: Path) -> None:
    """The participant's key and certificate: `CODE.key` and `CODE.crt` in PEM, `CODE.p12` with both and the path."""
    credential = town.identity(code).credential
    key, certificate = credential.private_key, credential.certificate
    locked = BestAvailableEncryption(PASSWORD.encode())
    (folder / f"{code}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{code}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / f"{code}.p12").write_bytes(
        serialize_key_and_certificates(b"key", key, certificate, credential.chain, locked)
    )


def built(peer: str, *command: str, beside: Mapping[str, Path] = MappingProxyType({})) -> Path:
    """The folder where a peer was built by `command`; built again only when something it is made of changed.

    `beside` are files of ours that it is made of too, by their place in the folder.
    """
    sources = {str(path.relative_to(PEERS / peer)): path for path in (PEERS / peer).rglob("*") if path.is_file()}
    sources |= beside
    state = hashlib.sha256(b"".join(sources[name].read_bytes() for name in sorted(sources))).hexdigest()
    folder = MADE / peer
    stamp = folder / "built"
    if not stamp.is_file() or stamp.read_text() != state:
        for name, path in sources.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_MAX_S, check=False)
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-4000:]
            pytest.skip(f"{peer} could not be built here: {command[0]} needs the network, or failed: {said}")
        stamp.write_text(state)
    return folder


async def steps(command: list[str], folder: Path) -> list[Any]:
    """Run a peer beside the gateway; the JSON lines it prints, one a step."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), RUN_MAX_S)
    assert process.returncode == 0, err.decode()[-4000:]
    return [json.loads(line) for line in out.splitlines()]
