"""The town, opened for each test that asks for it; the auditor's own check of evidence."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from town import Town

RECOMPUTE = Path(__file__).parents[2] / "examples" / "evidence" / "recompute.py"


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    opened = await Town(tmp_path).open()
    yield opened
    await opened.close()


@pytest.fixture
def recompute(tmp_path: Path, program: Callable[[str, str], str]) -> Callable[[bytes, bytes], tuple[int, str]]:
    """What examples/evidence/recompute.py says of an evidence file and a root, with nothing of ours on its path."""
    program("openssl", "openssl")
    program("xmlsec1", "xmlsec1")

    def judge(evidence: bytes, root: bytes) -> tuple[int, str]:
        (tmp_path / "case.asice").write_bytes(evidence)
        (tmp_path / "root.pem").write_bytes(root)
        command = [sys.executable, "-I", "-S", RECOMPUTE, "case.asice", "root.pem"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr

    return judge
