"""Frozen dataclasses with slots, made without their `__init__`: it asks `object.__setattr__` by name for every field.

A payment copies and reads hundreds of them. The slots' own setters, in a function written for the class, do the same in
a fifth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from types import MemberDescriptorType
from typing import Any, TypeVar

T = TypeVar("T")
_Setter = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How a class is copied: as it is, then a field at a time."""

    copy: Callable[[Any], Any]
    setters: dict[str, _Setter]
    judge: Callable[[Any], None] | None  # its `__post_init__`


_PLANS: dict[type[Any], _Plan] = {}


def replace(value: T, /, **changes: Any) -> T:
    """`dataclasses.replace`, for frozen dataclasses with slots.

    Raises:
        TypeError: there is no such field, or the class has no slots.
        Exception: what the class itself says of the new values in `__post_init__`.
    """
    cls = type(value)
    plan = _PLANS.get(cls) or _plan(cls)
    copy: T = plan.copy(value)
    for name, field in changes.items():
        if name not in plan.setters:
            raise TypeError(f"{cls.__name__} has no field {name}")
        plan.setters[name](copy, field)
    if plan.judge is not None:
        plan.judge(copy)
    return copy


def quick(cls: type[T]) -> type[T]:
    """A decorator above `dataclass`: an `__init__` by the slots' setters, for what is made all the time."""
    before: list[str] = []
    after: list[str] = []  # the star
    lines: list[str] = []
    names: dict[str, Any] = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.default_factory is not MISSING:
            raise TypeError(f"{cls.__name__}.{field.name} is made anew each time")
        if not field.init:
            continue
        names[f"put_{field.name}"] = getattr(cls, field.name).__set__
        parameter = field.name
        if field.default is not MISSING:
            names[f"default_{field.name}"] = field.default
            parameter += f"=default_{field.name}"
        (after if field.kw_only else before).append(parameter)
        lines.append(f" put_{field.name}(self, {field.name})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    star = ["*"] if after else []
    made = f"def __init__({', '.join(['self', *before, *star, *after])}):\n" + "\n".join(lines)
    exec(made, names)  # noqa: S102 - as dataclasses make theirs, of our own fields' names
    names["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = names["__init__"]  # type: ignore[method-assign]
    return cls


def maker(cls: type[T], names: Sequence[str]) -> Callable[[Sequence[Any]], T]:
    """What makes a `cls` of the values of all its fields, given in the order of `names`.

    The class must have nothing to say of them (no `__post_init__`).
    """
    plan = _plan(cls)
    if sorted(names) != sorted(plan.setters) or plan.judge is not None:
        raise TypeError(f"{cls.__name__} cannot be made without its __init__")
    lines = [f"{', '.join(names)}, = values", *(f"put_{name}(made, {name})" for name in names)]
    return _written("make", "values", lines, cls, plan.setters)


def _plan(cls: type[Any]) -> _Plan:
    names = [field.name for field in fields(cls) if field.init]
    slots = {name: getattr(cls, name, None) for name in names}
    setters = {name: slot.__set__ for name, slot in slots.items() if isinstance(slot, MemberDescriptorType)}
    if len(setters) != len(fields(cls)):
        raise TypeError(f"{cls.__name__} is no dataclass with a slot for every field")
    lines = [f"put_{name}(made, given.{name})" for name in names]
    plan = _Plan(
        copy=_written("copy", "given", lines, cls, setters),
        setters=setters,
        judge=getattr(cls, "__post_init__", None),
    )
    _PLANS[cls] = plan
    return plan


def _written(
    name: str, parameter: str, lines: Sequence[str], cls: type[T], setters: dict[str, _Setter]
) -> Callable[[Any], T]:
    """A function of one parameter that makes a `cls`; each setter is called `put_` and the field's name in it."""
    names: dict[str, Any] = {"new": object.__new__, "cls": cls} | {f"put_{it}": put for it, put in setters.items()}
    body = "".join(f" {line}\n" for line in ("made = new(cls)", *lines, "return made"))
    exec(f"def {name}({parameter}):\n{body}", names)  # noqa: S102 - as dataclasses make theirs, of our own fields' names
    made: Callable[[Any], T] = names[name]
    return made
