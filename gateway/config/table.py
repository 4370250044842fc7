"""The table of settings, written from the models themselves, so that the README cannot say anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config.model import Config
from gateway.config.signature import ExpectsSettings
from gateway.config.work import DispatcherSettings
from gateway.domain.delivery import RetryPolicy
from gateway.domain.money import Money


def settings_table() -> str:
    """Every setting as Markdown: name, meaning, default. Sections in the order of the tree."""
    lines = ["| setting | meaning | default |", "|---|---|---|"]
    for name, field in Config.model_fields.items():
        section = _section_of(field)
        if section is not None:
            lines += _rows(_prefix(name, field), section)
    lines += _rows("[… expects] ", ExpectsSettings)
    return "\n".join(lines) + "\n"


def schedule_table() -> str:
    """The delivery schedule as Markdown: every attempt, its wait, the time since the first, and the warnings."""
    settings = DispatcherSettings()
    policy = RetryPolicy(pauses_s=settings.retry_s, warn_at_percent=settings.warn_at_percent)
    lines = ["| attempt | after a wait of | after the first | what a person hears |", "|---|---|---|---|"]
    for number, wait_s in enumerate((0.0, *policy.pauses_s), start=1):
        last = number > len(policy.pauses_s)
        mark = None if last else policy.warning_percent(number)
        said = "`DELIVERY_PARKED`, should it fail" if last else f"`DELIVERY_DELAYED` {mark} %" if mark else ""
        since_s = sum(policy.pauses_s[: number - 1])
        lines.append(f"| {number} | {_duration(wait_s)} | {_duration(since_s)} | {said} |")
    return "\n".join(lines) + "\n"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    parts = ((hours, "h"), (rest // 60, "min"), (rest % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def description_of(path: tuple[int | str, ...]) -> str:
    """What the setting at `path` means; empty where the path leads to no single setting."""
    model: type[BaseModel] | None = Config
    meaning = ""
    for key in path:
        field = model.model_fields.get(key) if model is not None and isinstance(key, str) else None
        if field is not None:
            meaning, model = field.description or "", _section_of(field)
    return meaning


def _rows(prefix: str, section: type[BaseModel]) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield f"| `{prefix}{name}` | {(field.description or '').replace('|', '¦')} | {_default(field)} |"


def _prefix(name: str, field: FieldInfo) -> str:
    kind = str(field.annotation)
    if kind.startswith("tuple"):
        return f"[[{name}]] "
    return f"[{name}.…] " if "Mapping" in kind else f"[{name}] "


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section class behind a field: itself, or what its list or mapping holds."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _default(field: FieldInfo) -> str:
    default: Any = field.default
    if default is PydanticUndefined:
        return "*required*"
    if default is None or default == () or isinstance(default, BaseModel):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`[" + ", ".join(_literal(item) for item in default) + "]`"
    return f"`{_literal(default)}`"


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str | Money) else str(value)


def settings_by_section() -> Mapping[str, tuple[str, ...]]:
    """Section name to its keys, for documents and charts that must not name a setting that is not there."""
    sections = {name: _section_of(field) for name, field in Config.model_fields.items()}
    found = {name: tuple(section.model_fields) for name, section in sections.items() if section is not None}
    return found | {"expects": tuple(ExpectsSettings.model_fields)}
