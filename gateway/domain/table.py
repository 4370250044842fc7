"""State tables: one per noun, an event on every edge, and nobody sets a state by hand.

A table's row says: in these states, this event leads to that state, by this action. The action is a pure function that
returns the noun's new data and the effects; the table alone writes the state. What no row allows is a `Refusal`.

Where the same event leads elsewhere under a condition, that row has a guard; guarded rows are looked at first, in the
order of writing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from contracts.errors import ErrorCode, Refusal
from gateway.domain.frozen import quick, replace
from gateway.domain.rulebook import Rulebook


class Event(Protocol):
    """Something that happened to a noun: a frozen dataclass named as a past participle."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Noun(Protocol):
    """The data of one noun: a frozen dataclass with its state, its lot, and the bank that may see it (EHR-4)."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def state(self) -> StrEnum: ...
    @property
    def lot_id(self) -> str: ...
    @property
    def owner(self) -> str: ...


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a decision may know besides the noun and the event."""

    now: datetime  # UTC
    rules: Rulebook
    id: str  # of the noun decided on


@dataclass(frozen=True, slots=True)
class ByAlias:
    """A noun named by another's reference (a message id, an end-to-end id); resolved inside the transaction."""

    scheme: str
    value: str


@quick
@dataclass(frozen=True, slots=True)
class Tell:
    """Tell another noun what happened, in the same transaction. `otherwise` goes to the teller if nobody is there."""

    noun: str
    id: str | ByAlias
    event: Event
    otherwise: Event | None = None


@quick
@dataclass(frozen=True, slots=True)
class Send:
    """Send `body` to `recipient` over `channel` until acknowledged: becomes an outbox row."""

    channel: str
    recipient: str
    body: Any  # a dataclass of `gateway.domain.dispatches`


@dataclass(frozen=True, slots=True)
class Timer:
    """Tell this noun `event` at `due`; setting a timer of the same name again replaces it."""

    name: str
    due: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer of this name, if there is one."""

    name: str


@dataclass(frozen=True, slots=True)
class Alias:
    """This noun is also known by `value` in `scheme` from now on."""

    scheme: str
    value: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A person must look: journalled, counted, shown. Changes nothing by itself."""

    code: str
    facts: dict[str, str] = field(default_factory=dict)


Effect = Tell | Send | Timer | CancelTimer | Alias | Alarm

NounT = TypeVar("NounT", bound=Noun)


@quick
@dataclass(frozen=True, slots=True)
class Change(Generic[NounT]):
    """What an action returns: the noun's new data (its state is overwritten by the table) and the effects."""

    noun: NounT
    effects: tuple[Effect, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class Transition(Generic[NounT]):
    """A decision: from where (None at the beginning), the noun as it now is, and what follows."""

    before: str | None
    noun: NounT
    effects: tuple[Effect, ...]


Action = Callable[[Any, Any, Context], "Change[Any] | Refusal"]
ActionT = TypeVar("ActionT", bound=Callable[..., Any])
Guard = Callable[[Any, Any, Context], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One edge of a table. `guard`: when it is taken, as UML has it; None: whenever no guarded one is."""

    source: StrEnum | None
    event: type[Any]
    target: StrEnum
    action: Action
    guard: Guard | None = None


class StateTable(Generic[NounT]):
    """The rows of one noun. Built at import by `on`; read-only afterwards.

    Args:
        name: the noun's name as journal, aliases and diagrams use it.
        data: the noun's dataclass.
        states: every state there is.
        final: states with nothing after them but repetitions.
        waiting_for_person: states that only a person's decision leaves.
        scheduled: states in which a delivery or a timer of the noun must be under way; the watchdog holds them to it.
        unknown: the code answered where an event meets no noun of that id.
        expected_at: when the world is to do something to the noun, as far as the noun itself knows; the store finds
            nouns by it.
        overdue: the alarm, at every count of the watchdog, while `expected_at` has passed and is expected still.
        quoted: what others call the noun and read out on the telephone, where it is no id of ours; not theirs alone.
    """

    def __init__(
        self,
        name: str,
        data: type[NounT],
        states: type[StrEnum],
        *,
        final: Iterable[StrEnum],
        waiting_for_person: Iterable[StrEnum] = (),
        scheduled: Iterable[StrEnum] = (),
        unknown: ErrorCode = ErrorCode.REFERENCE_UNKNOWN,
        expected_at: Callable[[NounT], datetime | None] = lambda _: None,
        overdue: Alarm | None = None,
        quoted: Callable[[NounT], tuple[str | None, ...]] = lambda _: (),
    ) -> None:
        self.name, self.data, self.states, self.unknown = name, data, states, unknown
        self.expected_at, self.overdue, self.quoted = expected_at, overdue, quoted
        self.final, self.waiting_for_person = frozenset(final), frozenset(waiting_for_person)
        self.scheduled = frozenset(scheduled)
        self.events: dict[str, type[Any]] = {}
        self._rows: dict[tuple[StrEnum | None, type[Any]], Row] = {}
        self._guarded: dict[tuple[StrEnum | None, type[Any]], tuple[Row, ...]] = {}

    def on(
        self, *sources: StrEnum | None, event: type[Any], to: StrEnum | None = None, when: Guard | None = None
    ) -> Callable[[ActionT], ActionT]:
        """Add a row per source state; without `to` the state stays as it is. With `when` beside one without it."""

        def add(action: ActionT) -> ActionT:
            self.events[event.__name__] = event
            for source in sources:
                target, key = to if to is not None else source, (source, event)
                if target is None or (when is None and key in self._rows):
                    raise ValueError(f"{self.name}: {source} + {event.__name__} has no target or two rows")
                row = Row(source, event, target, action, when)
                if when is None:
                    self._rows[key] = row
                else:
                    self._guarded[key] = (*self._guarded.get(key, ()), row)
            return action

        return add

    def handles(self, noun: NounT | None, event: Event) -> bool:
        """Whether a row exists for this event in the noun's present state."""
        return (None if noun is None else noun.state, type(event)) in self._rows

    def decide(self, noun: NounT | None, event: Event, context: Context) -> Transition[NounT] | Refusal:
        """Apply one event. Pure; a refusal changes nothing."""
        before = None if noun is None else noun.state
        row = self._rows.get((before, type(event)))
        if row is None:
            return self._no_row(noun, event, context)
        for guarded in self._guarded.get((before, type(event)), ()):
            if guarded.guard is not None and guarded.guard(noun, event, context):
                row = guarded
                break
        outcome = row.action(noun, event, context)
        if isinstance(outcome, Refusal):
            return outcome
        noun = outcome.noun if outcome.noun.state is row.target else replace(outcome.noun, state=row.target)
        return Transition(before, noun, outcome.effects)

    def unknown_refusal(self, id: str) -> Refusal:
        """What is answered where there is no such noun, and where there is one that the asker may not see (EHR-4)."""
        return Refusal(code=self.unknown, facts={"noun": self.name, "id": id})

    def rows(self) -> Iterator[Row]:
        """Every edge, in the order of writing, the guarded ones last."""
        yield from self._rows.values()
        for rows in self._guarded.values():
            yield from rows

    def _no_row(self, noun: NounT | None, event: Event, context: Context) -> Refusal:
        if noun is None:
            return self.unknown_refusal(context.id)
        facts = {"noun": self.name, "id": context.id, "event": type(event).__name__}
        if (None, type(event)) in self._rows:
            return Refusal(code=ErrorCode.ALREADY_EXISTS, facts=facts)
        return Refusal(code=ErrorCode.STATE_CONFLICT, facts=facts | {"state": noun.state.value})
