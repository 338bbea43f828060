"""What becomes a variable, a function or an inline expression in generated code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import Enum, StrEnum
from typing import Any, NamedTuple

from forgather_hydra.graph.build import materialize
from forgather_hydra.graph.nodes import CONTAINERS, MISSING, Call, Shared, Var, label_of
from forgather_hydra.graph.regions import evaluated, held_calls, parts, session_collections
from forgather_hydra.graph.words import Kind

_ONCE = (Kind.SINGLETON, Kind.META)


class NamePolicy(StrEnum):
    """Which nodes get a name in generated code, rather than being written where they are used."""

    REQUIRED = "required"
    """Those used more than once."""
    NAMED = "named"
    """Those, and all that have a label."""
    ALL = "all"
    """Every node."""


class Mode(Enum):
    """How an object that exists once per session is written."""

    INLINE = "inline"
    VARIABLE = "variable"
    CACHED = "cached"
    """A function that runs at the first need, for what only partials and factories may ask for."""


class Default(NamedTuple):
    """The default of a parameter: a scalar, `MISSING`, or for `varies` one that each use adds."""

    value: Any
    varies: bool = False


class Plan:
    """Decisions about a graph, found by going through its construction in order.

    An object that exists once per session is made where construction first asks for it. If that is
    certain to come before anything is called that holds a partial which may ask for it as well, a
    variable will do; otherwise it takes a cached function.

    Args:
        eager: take it that no singleton has a visible effect, so that a variable always does.
    """

    def __init__(self, root: Any, policy: NamePolicy, eager: bool = False) -> None:
        self.policy = policy
        self.eager = eager
        self.meta_results: dict[int, Any] = {}
        self.elements = evaluated(root, self.parts)
        self.uses = Counter([id(root)])
        for element in self.elements:
            self.uses.update(id(used) for used in self.references(element))
        self.in_session = session_collections(root, self.parts)
        self.count_copies()
        self.region_uses = self.count_region_uses()
        partials = filter(is_partial, self.elements)
        self.bound = held_calls(partials, self.parts, self.in_session)
        self.pure = self.find_pure()
        self.defaults = self.find_defaults()
        self.modes: dict[int, Mode] = {}
        self.hoisted: dict[int, list[Any]] = {}
        self.escaped: set[int] = set()
        self.visited: set[int] = set()
        self.run(root)
        self.escape(root)

    def parts(self, value: Any) -> Iterator[Any]:
        """As `regions.parts`; a meta node consists of what its function returned."""
        if isinstance(value, Call) and value.kind == Kind.META:
            if id(value) not in self.meta_results:
                self.meta_results[id(value)] = materialize(value)
            yield self.meta_results[id(value)]
        else:
            yield from parts(value)

    def references(self, element: Any) -> Iterator[Any]:
        """The elements that one refers to, those behind the default of a variable included."""
        if isinstance(element, Var):
            return
        for part in self.parts(element):
            while isinstance(part, Var) and part.default is not MISSING:
                yield part
                part = part.default
            yield part

    def count_copies(self) -> None:
        """Count what a collection holds once more, if several partials and factories make it."""
        fresh = (
            e for e in self.elements if isinstance(e, CONTAINERS) and id(e) not in self.in_session
        )
        stack = [element for element in fresh if self.uses[id(element)] > 1]
        seen: set[int] = set()
        while stack:
            element = stack.pop()
            if id(element) in seen:
                continue
            seen.add(id(element))
            held = list(self.references(element))
            self.uses.update(id(used) for used in held)
            stack.extend(
                h for h in held if isinstance(h, CONTAINERS) and id(h) not in self.in_session
            )

    def count_region_uses(self) -> Counter[tuple[int, int]]:
        """How often each call of a partial or factory uses each collection that it makes anew."""
        counts: Counter[tuple[int, int]] = Counter()
        for region in self.elements:
            if not isinstance(region, Call) or region.kind in _ONCE:
                continue
            stack = list(self.parts(region))
            while stack:
                value = stack.pop()
                if isinstance(value, Var):
                    stack.extend(self.parts(value))
                elif isinstance(value, CONTAINERS) and id(value) not in self.in_session:
                    counts[id(region), id(value)] += 1
                    if counts[id(region), id(value)] == 1:
                        stack.extend(self.parts(value))
        return counts

    def find_pure(self) -> set[int]:
        """The collections and variables whose evaluation has no visible effect."""
        pure: set[int] = set()
        users: dict[int, list[int]] = {}
        waiting: Counter[int] = Counter()
        ready: list[int] = []
        for element in self.elements:
            if isinstance(element, Call) and not (self.eager and element.kind == Kind.SINGLETON):
                continue
            blockers = [
                id(p)
                for p in self.parts(element)
                if isinstance(p, (Call, Var, *CONTAINERS)) and not is_partial(p)
            ]
            waiting[id(element)] = len(blockers)
            for blocker in blockers:
                users.setdefault(blocker, []).append(id(element))
            if not blockers:
                ready.append(id(element))
        while ready:
            found = ready.pop()
            pure.add(found)
            for user in users.get(found, ()):
                waiting[user] -= 1
                if not waiting[user]:
                    ready.append(user)
        return pure

    def find_defaults(self) -> dict[str, Default]:
        """The default of each variable, by name."""
        found: dict[str, Default] = {}
        for var in self.elements:
            if isinstance(var, Var):
                default = _default_of(var)
                known = found.setdefault(var.name, default)
                if MISSING in (known.value, default.value):
                    found[var.name] = Default(MISSING)  # one use cannot do without a value
                elif not _equal(known, default):
                    found[var.name] = Default(None, varies=True)
        return found

    def is_once(self, value: Any) -> bool:
        """Whether a session makes one object of this and no more."""
        return is_call(value, *_ONCE) or id(value) in self.in_session

    def wants_name(self, value: Any) -> bool:
        if self.uses[id(value)] > 1:
            return True
        if self.policy is NamePolicy.ALL:
            return isinstance(value, Call)
        return self.policy is NamePolicy.NAMED and label_of(value) is not None

    def is_function(self, factory: Call) -> bool:
        """Whether a factory gets a function of its own."""
        has_arguments = any(True for _ in self.parts(factory))
        return self.wants_name(factory) and (has_arguments or label_of(factory) is not None)

    def mode_of(self, value: Any) -> Mode:
        """How something that exists once per session is written."""
        if id(value) in self.pure:
            return Mode.VARIABLE if id(value) in self.bound else self._mode_if_sure(value)
        return self.modes[id(value)]

    def _mode_if_sure(self, value: Any) -> Mode:
        return Mode.VARIABLE if self.wants_name(value) else Mode.INLINE

    def run(self, value: Any, sure: bool = True) -> None:
        """Go through the construction of a value.

        Args:
            value: part of the graph.
            sure: False for the default of a variable, which is constructed only if the caller
                gives no value.
        """
        if isinstance(value, Var):
            for default in self.parts(value):
                self.run(default, sure=False)
        elif not isinstance(value, (Call, *CONTAINERS)) or is_partial(value):
            return
        elif self.is_once(value):
            self.run_once(value, sure)
        elif isinstance(value, Call) and self.is_function(value):
            if sure:
                self.hoist(value)
            self.escape(value)
        elif id(value) not in self.visited:
            self.visited.add(id(value))
            self.run_parts(value, sure)

    def run_once(self, value: Any, sure: bool) -> None:
        if id(value) in self.modes or id(value) in self.pure:
            return
        mode = self._mode_if_sure(value)
        if mode is Mode.VARIABLE and not sure:
            # A variable would construct it even for a caller who gives another value.
            self.escape(value)
            return
        self.run_parts(value, sure)
        self.modes[id(value)] = mode

    def run_parts(self, value: Any, sure: bool) -> None:
        for part in self.parts(value):
            self.run(part, sure)
        # Only the call itself hands partials on; what is constructed for it comes before.
        if isinstance(value, Call):
            for part in self.parts(value):
                self.escape(part)

    def hoist(self, factory: Call) -> None:
        """Make variables of what the first call of a factory constructs before anything else."""
        hoisted = self.hoisted.setdefault(id(factory), [])
        for part in self.parts(factory):
            if not self.hoist_part(part, hoisted):
                return  # what follows would be constructed before this one, whose turn is later

    def hoist_part(self, part: Any, hoisted: list[Any]) -> bool:
        """Whether what follows the part in its factory's arguments may still be hoisted."""
        if (
            not isinstance(part, (Call, Var, *CONTAINERS))
            or is_partial(part)
            or id(part) in self.pure
        ):
            return True
        if not self.is_once(part):
            return isinstance(part, CONTAINERS) and all(
                self.hoist_part(p, hoisted) for p in self.parts(part)
            )
        if id(part) not in self.modes:
            self.run_parts(part, sure=True)
            self.modes[id(part)] = Mode.VARIABLE
            hoisted.append(part)
        return self.modes[id(part)] is Mode.VARIABLE

    def escape(self, value: Any) -> None:
        """A value has reached a call: what its partials may ask for has to wait to be asked."""
        stack = [value]
        while stack:
            value = stack.pop()
            if not isinstance(value, (Call, Var, *CONTAINERS)) or id(value) in self.escaped:
                continue
            self.escaped.add(id(value))
            if self.is_once(value) and id(value) not in self.pure:
                if id(value) not in self.modes:
                    self.modes[id(value)] = Mode.CACHED
                elif isinstance(value, Call):
                    continue  # it has been made, and what it holds with it
            stack.extend(self.parts(value))


def is_call(value: Any, *kinds: Kind) -> bool:
    return isinstance(value, Call) and value.kind in kinds


def is_partial(value: Any) -> bool:
    return is_call(value, Kind.PARTIAL)


def _default_of(var: Var) -> Default:
    value = var.default.value if isinstance(var.default, Shared) else var.default
    if isinstance(value, (Call, Var, *CONTAINERS)):
        return Default(None, varies=True)
    return Default(value)


def _equal(a: Default, b: Default) -> bool:
    # By type and text: 1, 1.0 and True are equal, and nan is not even equal to itself.
    return (
        a.varies == b.varies and type(a.value) is type(b.value) and repr(a.value) == repr(b.value)
    )
