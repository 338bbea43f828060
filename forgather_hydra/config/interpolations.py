"""Values of interpolations as OmegaConf gives them, each text parsed once in a process."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from omegaconf import DictConfig, ListConfig, ValueNode
from omegaconf._utils import _get_value
from omegaconf.errors import OmegaConfBaseException
from omegaconf.grammar_parser import parse

_MOST = 256  # texts, of some ten kB each


def value_at(holder: DictConfig | ListConfig, key: Any) -> Any:
    """What stands at a key, which OmegaConf's own `holder[key]` gives more slowly.

    Raises:
        OmegaConfBaseException: as that does.
    """
    node: Any = holder._get_child(key)
    if not (isinstance(node, ValueNode) and node._is_interpolation()):
        return holder[key]
    try:
        resolved = holder._resolve_interpolation_from_parse_tree(
            parent=holder,
            value=node,
            key=key,
            parse_tree=_parsed(node._value()),
            throw_on_resolution_failure=True,
            memo=set(),
        )
    except OmegaConfBaseException:
        return holder[key]  # which says where it is wrong
    return _get_value(resolved)


@lru_cache(maxsize=_MOST)
def _parsed(text: str) -> Any:
    return parse(text)
