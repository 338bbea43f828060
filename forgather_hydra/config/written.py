"""The text of a configuration as OmegaConf writes it, of which jobs have most in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper

_MOST = 1000  # sections

_known: dict[str, str] = {}


def yaml_of(config: Mapping[Any, Any]) -> str:
    """What `OmegaConf.to_yaml` gives; a section with the same content is written once.

    Args:
        config: the content, as by `OmegaConf.to_container`.
    """
    if not config:
        return _written({})
    return "".join(_section({key: value}) for key, value in config.items())


def _section(section: dict[Any, Any]) -> str:
    content = repr(section)
    if content not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        _known[content] = _written(section)
    return _known[content]


def _written(content: Any) -> str:
    text: str = yaml.dump(
        content,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=False,
        Dumper=get_omega_conf_dumper(),
    )
    return text
