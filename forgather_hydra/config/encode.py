"""Node graph to OmegaConf: ordinary Hydra nodes in place, sharing as typed references.

A reference is not the text ``${path}`` but a `DictConfig` or `ListConfig` of that text: it prints,
pickles and merges alike, and an override that goes through it reaches the definition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf, flag_override

from forgather_hydra.config.document import Positions, References
from forgather_hydra.config.homes import Homes, Path, is_reference
from forgather_hydra.config.targets import DLIST_TARGET, PARTIAL, to_target
from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.nodes import (
    MISSING,
    Call,
    DList,
    Element,
    Mark,
    Shared,
    Var,
    children,
    label_of,
    origin_of,
)
from forgather_hydra.graph.walk import path_text, post_order

_RESERVED_KEYWORDS = ("_target_", "_args_", "_partial_", "_convert_", "_recursive_")
_PURE_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*(?:\.\w+)*)\}\Z")
_PLAIN_IN_RESOLVER = re.compile(r"[A-Za-z_][\w/.+-]*\Z")


class Encoded(NamedTuple):
    """An encoded graph.

    Attributes:
        config: the nodes.
        positions: marks of the lines that set each path.
        references: what the reference at each path names; both are paths within the document,
            except a target that the template wrote out as ``${...}``, which counts from the root.
        written: the paths of the references that the template wrote out.
    """

    config: DictConfig | ListConfig
    positions: Positions
    references: References
    written: frozenset[str]


def to_omegaconf(graph: Any) -> DictConfig | ListConfig:
    """Encode a graph as OmegaConf nodes that Hydra understands.

    `from_omegaconf` gives the same graph back, sharing included. Text such as ``${x}`` in the graph
    stays text.

    Raises:
        ForgatherError: ``unsupported_type`` for what OmegaConf cannot hold.
    """
    return encode(graph, at_root=True, escape=True).config


def encode(
    graph: Any,
    *,
    at_root: bool,
    escape: bool = False,
    groups: Iterable[str] = (),
    ns: dict[str, Any] | None = None,
) -> Encoded:
    """Encode a graph.

    Args:
        graph: the graph; its root is a mapping, a list or a node.
        at_root: whether it will be the root of the configuration; references are then absolute and
            the sections ``vars``, ``ns`` and ``forgather`` can be written.
        escape: protect ``${`` in text; otherwise such text is an interpolation, as in any config.
        groups: config groups that the document's defaults list selects; ``${group}`` is a node.
        ns: render variables to show.
    """
    return _Encoder(graph, at_root, escape, set(groups)).run(ns or {})


class _Encoder:
    def __init__(self, graph: Any, at_root: bool, escape: bool, groups: set[str]) -> None:
        self.graph = graph
        self.at_root = at_root
        self.escape = escape
        nodes = graph.items() if isinstance(graph, dict) else ()
        self.containers = groups | {key for key, value in nodes if isinstance(value, (Call, dict))}
        self.positions: Positions = {}
        self.references: References = {}
        self.written: set[str] = set()
        self.homes = Homes(graph)
        self.names: dict[str, str] = {}
        self.disputed: set[str] = set()

    def run(self, ns: dict[str, Any]) -> Encoded:
        declared = self.variables()
        root = self.value(self.graph, ())
        if not isinstance(root, (dict, list)):
            raise ForgatherError(
                "unsupported_type", "the root of a Hydra config is a mapping or a list"
            )
        if isinstance(root, dict):
            for name, element in self.homes.hoisted.items():
                root[name] = self.value(element, (name,))
            if self.at_root:
                root |= self.sections(ns, declared)
        return Encoded(_created(root), self.positions, self.references, frozenset(self.written))

    def sections(self, ns: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
        """The root sections ``vars``, ``ns`` and ``forgather``, as far as they have content."""
        written = self.graph.get("vars", {}) if isinstance(self.graph, dict) else {}
        variables = {**declared, **written}
        about = {"defines": dict.fromkeys(self.homes.hoisted, True), "names": self.names}
        about = {key: value for key, value in about.items() if value}
        found = {"vars": variables, "ns": ns, "forgather": about}
        return {key: value for key, value in found.items() if value}

    def variables(self) -> dict[str, Any]:
        """Each variable's default; ``???`` where there is none, or where its uses disagree."""
        found: dict[str, Any] = {}
        for element in post_order(self.graph):
            if isinstance(element, Var):
                default = self.default(element)
                if found.setdefault(element.name, default) != default:
                    if _literal_default(element) is None:
                        raise ForgatherError(
                            "unsupported_type",
                            f"two uses of the variable {element.name!r} have different defaults",
                        ).locate(origin_of(element))
                    found[element.name] = "???"
                    self.disputed.add(element.name)
        return found

    def default(self, var: Var) -> Any:
        return "???" if var.default is MISSING else self.value(var.default, ("vars", var.name))

    def value(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return self.text(value, path)
        if isinstance(value, Shared) and is_reference(value):
            return self.text(value.value, path)
        if not isinstance(value, (Element, dict, list, tuple)):
            return value
        if isinstance(value, Var):
            return self.variable(value)
        home = self.homes.of.get(id(value), path)
        if home != path:
            return self.reference(value, home, path)
        return self.definition(value, path)

    def definition(self, value: Any, path: Path) -> Any:
        self.note(value, path)
        if isinstance(value, Shared):
            return self.text(value.value, path) if isinstance(value.value, str) else value.value
        if isinstance(value, Call):
            return self.call(value, path)
        if isinstance(value, tuple):
            return self.tuple(value, path)
        if isinstance(value, DList):
            return {"_target_": DLIST_TARGET, **self.mapping(value, path)}
        if isinstance(value, dict):
            return self.mapping(value, path)
        return [self.value(item, (*path, i)) for i, item in enumerate(value)]

    def mapping(self, value: dict[Any, Any], path: Path) -> dict[Any, Any]:
        if any(not isinstance(key, (str, int, float, bool)) for key in value):
            pairs = [
                [self.value(k, ()), self.value(v, (*path, "_args_", 0, i, 1))]
                for i, (k, v) in enumerate(value.items())
            ]
            return {"_target_": "builtins.dict", "_args_": [pairs]}
        entries = value.items()
        if path == () and self.at_root:
            entries = {k: v for k, v in value.items() if k != "vars"}.items()
        return {key: self.value(item, (*path, key)) for key, item in entries}

    def call(self, node: Call, path: Path) -> dict[str, Any]:
        for keyword in _RESERVED_KEYWORDS:
            if keyword in node.kwargs:
                raise ForgatherError(
                    "bad_tag_argument",
                    f"{keyword} means something to Hydra and cannot be an argument of {node.spec}",
                ).locate(origin_of(node))
        encoded: dict[str, Any] = {"_target_": to_target(node.kind, node.spec)}
        if node.kind in PARTIAL:
            encoded["_partial_"] = PARTIAL[node.kind]
        if node.args:
            encoded["_args_"] = [
                self.value(arg, (*path, "_args_", i)) for i, arg in enumerate(node.args)
            ]
        for key, child in children(node):
            if isinstance(key, str):
                encoded[key] = self.value(child, (*path, key))
        return encoded

    def tuple(self, value: tuple[Any, ...], path: Path) -> Any:
        items = [_in_resolver(item) for item in value]
        if value and None not in items:
            return f"${{fg.tuple:{','.join(i for i in items if i is not None)}}}"
        inner = [self.value(item, (*path, "_args_", 0, i)) for i, item in enumerate(value)]
        return {"_target_": "builtins.tuple", "_args_": [inner]}

    def variable(self, var: Var) -> str:
        if not var.name.isidentifier():
            raise ForgatherError(
                "unsupported_type", f"Hydra cannot name the variable {var.name!r}"
            ).locate(origin_of(var))
        literal = _literal_default(var)
        if literal is not None and (var.name in self.disputed or not self.at_root):
            return f"${{oc.select:vars.{var.name},{literal}}}"
        return f"${{vars.{var.name}}}"

    def reference(self, value: Any, home: Path, path: Path) -> Any:
        dots = "" if self.at_root else "." * len(path)
        text = f"${{{dots}{path_text(home)}}}"
        self.references[path_text(path)] = path_text(home)
        if isinstance(value, (Call, dict)) or (
            isinstance(value, tuple) and not _is_inline_tuple(value)
        ):
            return DictConfig(text)
        return ListConfig(text) if isinstance(value, list) else text

    def text(self, value: str, path: Path) -> Any:
        if self.escape:
            if value == "???":
                raise ForgatherError(
                    "unsupported_type", "the text '???' means a missing value in a Hydra config"
                )
            return value.replace("\\${", "\\\\${").replace("${", "\\${")
        pure = _PURE_REFERENCE.match(value)
        if pure is None or pure[1].startswith("vars."):
            return value
        self.references[path_text(path)] = pure[1]
        self.written.add(path_text(path))
        return DictConfig(value) if pure[1] in self.containers else value

    def note(self, value: Any, path: Path) -> None:
        """Remember the lines of an element, and its label if its place does not tell it."""
        label = label_of(value)
        if label is not None and not (id(value) in self.homes.of and path and path[-1] == label):
            self.names[path_text(path)] = label
        mark = value._mark_ if isinstance(value, Element) else None
        if mark is None:
            return
        marks = self.positions.setdefault(path_text(path), [])
        if not marks or marks[-1].origin != mark.origin:  # else the line of its key is noted
            marks.append(mark)
        for key, lines in (value._lines_ or {}).items():
            below = path_text((*path, key))
            self.positions[below] = [Mark(mark.source, line, 1) for line in lines]


def _created(root: dict[Any, Any] | list[Any]) -> DictConfig | ListConfig:
    """The OmegaConf container for encoded values; references among them are not copied again."""
    if isinstance(root, list):
        return OmegaConf.create(root)
    config = DictConfig({})
    with flag_override(config, "no_deepcopy_set_nodes", True):
        for key, value in root.items():
            config[key] = value
    return config


def _literal_default(var: Var) -> str | None:
    return None if var.default is MISSING else _in_resolver(var.default)


def _is_inline_tuple(value: tuple[Any, ...]) -> bool:
    return bool(value) and all(_in_resolver(item) is not None for item in value)


def _in_resolver(value: Any) -> str | None:
    """A scalar as an argument of a resolver; None if it cannot be one."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    if (
        isinstance(value, str)
        and _PLAIN_IN_RESOLVER.match(value)
        and value.lower() not in ("null", "true", "false", "inf", "nan")
    ):
        return value
    return None
