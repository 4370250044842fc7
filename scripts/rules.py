"""Write docs/rules.md: every rule, the code that keeps it and the tests that show it, or the word *open*.

Rules come from `../shared/rules/*.md` where they lie beside the repository, otherwise from the list as it stands.
A rule is shown by a test whose name (`..._ehr_12_...`) or docstring cites its id, and kept by code that cites it.

    python scripts/rules.py            writes the list again
    python scripts/rules.py --check    exits 1, saying why, where the list is not the truth
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT.parent / "shared" / "rules"
LIST = ROOT / "docs" / "rules.md"

FAMILIES = {
    "EHR": "The e-auction",
    "AOS": "The Instant Payment System",
    "PSP": "Payment institutions: security, incidents, continuity, reports",
    "CLM": "Customers' applications and claims",
    "VLT": "Dual control and custody books",
}
CODE = ("gateway/domain", "certs", "contracts", "gateway", "adapters", "helm")
CODE_SUFFIXES = {".py", ".toml", ".sql", ".xsd", ".wsdl", ".yaml", ".typ"}
STILL_OPEN = {  # what of a rule is not kept yet, although code and tests rightly cite it
    "EHR-8": "Asan Finance, cabinet and SMS",
    "EHR-13": "barring a defaulted winner from the same lot",
    "EHR-14": "auction order within 2 business days, repeat auctions, the mortgagee's 30 days",
    "PSP-7.8": "matching the day's lists with the journal",
}
SHOWN_MAX = 3  # per cell: the list is a way in, not an index

_ID = re.compile(r"\b(EHR|AOS|PSP|CLM|VLT)-([A-Z]?\d+(?:\.t?\d+)*)(?![\w…–]|\.\w)")
_DEFINITION = re.compile(r"\b(EHR|AOS|PSP|CLM|VLT)-([A-Z]?\d+(?:\.t?\d+)*)(?:[/–](\d+(?:\.\d+)*))?\s")
_ROW = re.compile(r"^\| (\S+) \| (.*) \| (.*) \| (.*) \|$")
_HEAD = """# Rules and where they are kept

Every rule the gateway must obey, by the id that code, tests and messages cite; the code that keeps it and the tests
that show it, or the word *open*. Written by `make rules` from what code and tests cite; a test holds it to the truth.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule as its file words it."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the list."""

    rule: Rule
    kept_by: tuple[str, ...]
    shown_by: tuple[str, ...]

    @property
    def open(self) -> bool:
        return not (self.kept_by and self.shown_by)

    @property
    def still_open(self) -> str:
        return STILL_OPEN.get(self.rule.id, "")


def rules() -> tuple[Rule, ...]:
    """Every rule, in the order of the rule files."""
    if RULES.is_dir():
        return tuple(rule for family in FAMILIES for rule in _defined(RULES / f"{family.lower()}.md"))
    return tuple(Rule(id=match[1], text=match[2]) for match in _listed())


def rows() -> tuple[Row, ...]:
    """The truth, as code and tests cite it."""
    code, tests = cited_by_code(), cited_by_tests()
    return tuple(Row(rule=rule, kept_by=code.get(rule.id, ()), shown_by=tests.get(rule.id, ())) for rule in rules())


def render() -> str:
    """The list as Markdown."""
    table = rows()
    lines = [_HEAD]
    for family, title in FAMILIES.items():
        mine = [row for row in table if row.rule.id.startswith(f"{family}-")]
        kept = [row for row in mine if not row.open]
        partly = sum(bool(row.still_open) for row in kept)
        lines += [f"## {family}: {title}", "", f"{len(kept)} of {len(mine)} kept, {partly} of them in part.", ""]
        lines += ["| rule | says | kept by | shown by |", "|---|---|---|---|"]
        lines += [_line(row) for row in mine] + [""]
    return "\n".join(lines)


def faults() -> Iterator[str]:
    """Why the list is not the truth."""
    known = {rule.id for rule in rules()}
    code, tests = cited_by_code(), cited_by_tests()
    for id_, citing in (*code.items(), *tests.items()):
        if id_ not in known:
            yield f"{id_} is no rule, but {citing[0]} cites it"
    for id_ in sorted(STILL_OPEN.keys() - (known & code.keys() & tests.keys())):
        yield f"{id_} is open altogether: take it out of STILL_OPEN"
    for id_ in sorted(known & tests.keys() - code.keys()):
        yield f"{id_} is shown by {tests[id_][0]}, but no code cites it"
    if not LIST.is_file() or LIST.read_text(encoding="utf-8") != render():
        yield "docs/rules.md is not what code and tests say: run `make rules`"


def cited_by_code() -> Mapping[str, tuple[str, ...]]:
    """Rule id to the files that cite it, the rules' own home first."""
    found: dict[str, list[str]] = defaultdict(list)
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in CODE_SUFFIXES and path.is_file():
                for id_ in ids(path.read_text(encoding="utf-8")):
                    if name not in found[id_]:
                        found[id_].append(name)
    return {id_: tuple(names) for id_, names in found.items()}


def cited_by_tests() -> Mapping[str, tuple[str, ...]]:
    """Rule id to the test node ids whose name or docstring cites it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for id_ in ids(ast.get_docstring(tree) or ""):
            found[id_].append(name)
        for node_id, text in _tests(tree, name):
            for id_ in ids(text):
                found[id_].append(node_id)
    return {id_: tuple(sorted(names, key=lambda name: "::" not in name)) for id_, names in found.items()}


def ids(text: str) -> tuple[str, ...]:
    """The rule ids a text cites, each once; a range (`EHR-11…16`) cites nothing by itself."""
    return tuple(dict.fromkeys(f"{match[1]}-{match[2]}" for match in _ID.finditer(text)))


def _tests(tree: ast.AST, prefix: str) -> Iterator[tuple[str, str]]:
    """Node id and citing text of every test function; a class's docstring speaks for its tests."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            for node_id, text in _tests(node, f"{prefix}::{node.name}"):
                yield node_id, f"{text} {ast.get_docstring(node) or ''}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}::{node.name}", f"{_ids_in_name(node.name)} {ast.get_docstring(node) or ''}"


def _ids_in_name(name: str) -> str:
    named = re.findall(r"(?:^|_)(ehr|aos|psp|clm|vlt)_([a-z]?\d+)(?=_|$)", name)
    return " ".join(f"{family}-{number}".upper() for family, number in named)


def _defined(path: Path) -> Iterator[Rule]:
    """The rules of one file: an id and the words up to the next id; `8.1.5/8.1.6` and `4.10–4.11` are two rules."""
    for line in path.read_text(encoding="utf-8").splitlines():
        marks = list(_DEFINITION.finditer(line)) if line.startswith("- ") else []
        ends = [mark.start() for mark in marks[1:]] + [len(line)]
        for mark, end in zip(marks, ends[: len(marks)], strict=True):
            text = line[mark.end() : end].strip(" ·;")
            yield Rule(id=f"{mark[1]}-{mark[2]}", text=text)
            if mark[3]:
                yield Rule(id=f"{mark[1]}-{mark[3]}", text=text)


def _listed() -> Iterator[re.Match[str]]:
    for line in LIST.read_text(encoding="utf-8").splitlines():
        match = _ROW.match(line)
        if match and _ID.fullmatch(match[1]):
            yield match


def _line(row: Row) -> str:
    rule = f"{row.rule.id} | {row.rule.text.replace('|', '¦')}"
    if row.open:
        return f"| {rule} | *open* |  |"
    partly = f"*in part; open: {row.still_open}* " if row.still_open else ""
    return f"| {rule} | {partly}{_cell(row.kept_by)} | {_cell(row.shown_by)} |"


def _cell(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return ", ".join(f"`{name}`" for name in names[:SHOWN_MAX]) + more


def main() -> int:
    if "--check" in sys.argv[1:]:
        found = list(faults())
        sys.stderr.writelines(f"{fault}\n" for fault in found)
        return 1 if found else 0
    LIST.write_text(render(), encoding="utf-8")
    table = rows()
    sys.stdout.writelines(f"{fault}\n" for fault in faults())
    sys.stdout.write(f"{sum(not row.open for row in table)} of {len(table)} rules kept\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
