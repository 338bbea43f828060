"""What Hydra and OmegaConf raise while composing, told in one sentence with a cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from forgather_hydra.config.asked import interpolated, line_that_asks
from forgather_hydra.config.composition import Composition
from forgather_hydra.config.list_items import composed_of, no_item
from forgather_hydra.config.meant_keys import SIMILAR, advice_on, meant_keys, place_in
from forgather_hydra.config.package import join
from forgather_hydra.config.references import definition_of, passed_through
from forgather_hydra.config.saved_overrides import config_dir_of_run
from forgather_hydra.config.settle import Settling
from forgather_hydra.config.unreadable import how_to_choose, what_was_meant
from forgather_hydra.errors import ForgatherError, did_you_mean
from forgather_hydra.template.source_map import Origin

_USUAL = ("conf", "configs", "config", ".")  # where projects have their configurations
_UNKNOWN = re.compile(r"Could not (?:override|delete from config\.) '([^']+)'")
_NO_ITEM = re.compile("list index out of range|Index .* is not an int")
_CURES = {
    r"Multiple values for (\S+)\. ": "{0} is chosen already; on the command line leave out the +",
    r"Could not override '([^']+)'\. No match": "nothing has chosen {0} yet; write it without "
    "'override', above the lines that have it",
    r"Override .* is defined before '([^':]+):": "move {0} above the lines with 'override', for "
    "example above '== super()'",
}


def as_our_error(error: Exception, settling: Settling) -> ForgatherError:
    """The error to show for one that was raised while `settling` composed."""
    if isinstance(error, ForgatherError):
        return error
    if isinstance(error, MissingConfigException):
        return _missing_config(error, settling)
    if isinstance(error, MarkedYAMLError):
        from forgather_hydra.config.plain_yaml import no_yaml

        return no_yaml(error)
    if isinstance(error, OverrideParseException):
        return ForgatherError(
            "bad_override",
            f"cannot read the override {error.override}: {error.message.splitlines()[0]}",
            hint=what_was_meant(str(error.override), settling.overrides)
            or "quote special characters for Hydra too: 'key=\"value, with signs\"'",
        )
    message = str(error).strip()
    if _NO_ITEM.search(f"{message} {error.__cause__}") and (wrong := no_item(settling)):
        return wrong
    if match := re.match(r"Ambiguous value for argument '(~[^=]+)=.*'", message):
        cure = f"write {match[1]}: it deletes the key, whatever it holds"
        word = match[0].partition("'")[2].rstrip("'")
        what = f"{word}: what is deleted has no values to try"
        return ForgatherError("bad_override", what, hint=cure)
    if match := _UNKNOWN.match(message):
        return _unknown_key(match[1], settling)
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    cause = str(error.__cause__).splitlines()[0] if error.__cause__ else None
    hint = None
    origin = None
    if any(line.startswith("Cannot merge") for line in [*lines, cause or ""]):
        hint = (
            "a list cannot replace a mapping, nor a mapping a list: write the other kind of value"
        )
        if match := re.match("In '([^']+)'", message):
            origin = _line_of_other_kind(match[1], settling)
    if match := re.search("An item is already at '([^']+)'", message):
        near = get_close_matches(match[1], settling.groups(""), 1, SIMILAR)
        hint = f"did you mean the config group {near[0]}?" if near else None
    for pattern, cure in _CURES.items():
        if match := re.search(pattern, message):
            hint = cure.format(match[1])
    message = "\n  ".join([*lines, cause or ""]).rstrip()
    return ForgatherError("bad_override", message, hint=hint).locate(origin)


def _line_of_other_kind(name: str, settling: Settling) -> Origin | None:
    """The line of a template that gives a list where other templates have a mapping."""
    documents = settling.record.documents
    document = documents[f"{name}.yaml"][1] if f"{name}.yaml" in documents else None
    config: Any = document.config() if document else None
    if not document or not OmegaConf.is_dict(config):
        return None
    others = [
        join(package, path)
        for package, other in documents.values()
        for path in other.positions
        if other is not document
    ]
    above = {path.partition(".")[0] for path in others if "." in path}
    for key in config:
        if OmegaConf.is_list(config._get_node(key)) and key in above and key != "defaults":
            return document.positions[str(key)][-1].origin
    return None


def no_option(settling: Settling) -> ForgatherError | None:
    """The error for an override that gives a config group something else than options' names."""
    for override in settling.parsed:
        key, value = override.key_or_group, override.value()
        is_choice = settling.is_group(key) and not (override.is_delete() or override.is_force_add())
        names = value if isinstance(value, list) else [value]
        if is_choice and not (
            override.is_sweep_override() or all(isinstance(name, str) for name in names)
        ):
            return ForgatherError(
                "bad_override",
                f"{override.input_line}: {key} is a config group, and takes the name of an option",
                hint=f"a mapping goes into a file FOLDER/{key}/NAME.yaml, with --config-dir FOLDER"
                if isinstance(value, dict)
                else f"~{key} leaves the group out"
                + ("" if value is None else f"; a name like {value} is quoted"),
            )
        if is_choice and (found := next(filter(None, map(_no_name, names)), None)):
            return ForgatherError(
                "bad_override",
                f"{override.input_line}: {key} is a config group, and takes the name of an option; "
                f"this gives {found}",
                hint="write the name of an option, or an interpolation that gives one",
            )
    return None


def no_name_in_defaults(record: Composition) -> ForgatherError | None:
    """The error for a line of a defaults list whose interpolation gives no name of an option."""
    for text, origin in interpolated(record):
        if found := _no_name(text):
            what = f"an entry of a defaults list takes the name of an option; {text} gives {found}"
            hint = "write the name of an option, or an interpolation that gives one"
            return ForgatherError("bad_override", what, hint=hint).locate(origin)
    return None


def _no_name(value: Any) -> str | None:
    """What an interpolation gives that is no text, where that is known before all is composed."""
    if "${" not in str(value):
        return None
    with suppress(OmegaConfBaseException):
        found = OmegaConf.create({"value": value}).value
        return None if isinstance(found, str) else str(found)
    return None


def misspelt_group(settling: Settling) -> ForgatherError | None:
    """The error for an override that adds a key where it seems to mean a config group."""
    added = (_no_group(o, settling) for o in settling.parsed if o.is_add())
    return next(filter(None, added), None)


def _no_group(override: Override, settling: Settling) -> ForgatherError | None:
    """The error for an override that seems to name a config group, if there is no such group."""
    key = override.key_or_group
    if "." in key or settling.is_group(key):
        return None
    parent = key.rpartition("/")[0]
    groups = [f"{parent}/{group}".lstrip("/") for group in settling.groups(parent)]
    near = get_close_matches(key, groups, 1, SIMILAR)
    if not parent and not (near and isinstance(override.value(), str)):
        return None
    known = f"{parent} has the groups {', '.join(groups)}" if groups else None
    return ForgatherError(
        "unknown_option",
        f"{override.input_line}: there is no config group {key!r}",
        hint=f"did you mean {near[0]}?" if near else known,
    )


def _missing_config(error: MissingConfigException, settling: Settling) -> ForgatherError:
    name = error.missing_cfg_file or "?"
    group, _, option = name.rpartition("/")
    options = list(error.options or [])
    known = f"{group} is one of: {', '.join(options)}" if options else None
    hint = "; ".join(part for part in (did_you_mean(option, options), known) if part) or None
    if (file := _file_beside(name)) is not None:
        hint = f"{file} is here: add {how_to_choose(file)}"
    if (folder := config_dir_of_run(settling.overrides)) and folder not in settling.folders:
        hint = f"the run that is to go on had --config-dir {folder}: give it again"
    what = f"no {group} {option!r}" if group else f"no config {option!r}"
    unknown = ForgatherError("unknown_option", f"there is {what}", hint=hint)
    return unknown.locate(line_that_asks(name, settling.record))


def _new_in_mapping(override: Override, settling: Settling) -> ForgatherError | None:
    """The error for an override that gives a mapping a key which it has not."""
    text, key = str(override.input_line), override.key_or_group
    place = place_in(_composed_without(text, settling), key)
    if not OmegaConf.is_dict(place):
        return None
    path, name, names = next(_new_names(key, override.value(), place), (key, None, []))
    if name is None:
        return None
    guess = did_you_mean(name, names)
    cure = f"write ++{text} to add it, or ~{key} +{text} to replace all that {key} has"
    message = f"{text}: {path!r} has no key {name!r}, and a mapping changes those that there are"
    return ForgatherError(
        "unknown_key", message, hint=f"{guess} Otherwise {cure}" if guess else cure
    )


def _new_names(path: str, content: Any, place: Any) -> Iterator[tuple[str, str, list[str]]]:
    """What mappings in `content` name that those of the configuration have not: where, and what."""
    if not isinstance(content, dict) or not OmegaConf.is_dict(place):
        return
    for name, value in content.items():
        if name not in place:
            yield path, str(name), list(map(str, place))
        else:
            yield from _new_names(f"{path}.{name}", value, place._get_node(name))


def _names_of(override: Override) -> tuple[str, str]:
    return override.key_or_group, override.get_key_element()


def _file_beside(name: str) -> Path | None:
    """A file below the working directory that is meant by a name like ``experiment/mine``."""
    group, _, option = name.partition("/")
    if not option:
        return None
    given = Path(f"{option.removesuffix('.yaml')}.yaml")
    found = (path for path in (Path(folder, group, given) for folder in _USUAL) if path.is_file())
    return given if given.is_file() and group in given.parts else next(found, None)


def _unknown_key(key: str, settling: Settling) -> ForgatherError:
    """The error for an override of a key that the configuration does not have."""
    given = next((o for o in settling.parsed if key in _names_of(o) and not o.is_add()), None)
    override = (given and given.input_line) or key
    group = key.partition("@")[0]
    if settling.is_group(group):
        hint = f"{group} is a config group that nothing chose yet; add it: +{override.lstrip('+~')}"
        return ForgatherError("unknown_key", f"{override}: nothing to override", hint=hint)
    if given and (error := _no_group(given, settling)):
        return error
    if given and isinstance(given.value(), dict) and (error := _new_in_mapping(given, settling)):
        return error
    references = settling.record.references
    passed = passed_through(key, references)
    through = "".join(f" ({place} refers to {references[place]})" for place in passed[-1:])
    error = ForgatherError(
        "unknown_key", f"{override}: the configuration has no key {key!r}{through}"
    )
    definition = definition_of(key, references)
    cfg = _composed_without(str(override), settling)
    parent = definition.rpartition(".")[0]
    value = place_in(cfg, parent) if parent else None
    if OmegaConf.is_list(value):
        error.message = f"{override}: {parent} is a tuple, whose items are not set one by one"
        error.hint = f"{parent}=[...] sets all of them, and makes it a list"
        return error
    if value is not None and not OmegaConf.is_dict(value):
        error.message = f"{override}: {parent} is {value!r}, which has no keys"
        error.hint = f"{parent}=VALUE sets it"
        return error
    if advice := advice_on(definition, cfg):
        error.hint = advice
        return error
    names = meant_keys(key, definition, cfg)
    if definition in names:  # the target takes it, and the configuration does not say it yet
        error.hint = f"write +{override} to add it"
        return error
    guess = f"did you mean {' or '.join(names)}?" if names else ""
    is_place = not names or (parent and OmegaConf.is_config(place_in(cfg, parent)))
    add = f"write +{override} to add a new key"
    if not is_place or (given and given.is_delete()):
        error.hint = guess or None
    else:
        error.hint = f"{guess} Otherwise {add}" if guess else add
    return error


def _composed_without(override: str, settling: Settling) -> DictConfig:
    """What there is to override: the structure, and what is added to it."""
    added = [str(o.input_line) for o in settling.parsed if o.is_add()]
    others = [o for o in dict.fromkeys([*settling.structure(), *added]) if o != override]
    return composed_of(others, settling)
