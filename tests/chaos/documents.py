"""Random documents, templates and plain YAML, through the package and through Hydra."""

from __future__ import annotations

import contextlib
import random
import resource
import warnings
from pathlib import Path

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

import forgather_hydra as fg
from forgather_hydra.config.claim import is_template
from forgather_hydra.errors import ForgatherError

MEMORY = 3 << 30  # bytes of address space, most of them of libraries
LINES = (
    "-- extends 'base.yaml'", "-- include 'base.yaml'", "-- include 'main.yaml'", "[a]", "[b]",
    "-- block a", "-- endblock", "-- if x", "-- else", "-- endif", "-- for i in range(3)",
    "-- endfor", "-- set ns.v = 2", "-- set ns.l = [1] * 99999", "== super()", "-- raw",
    "#---- s.t ----", "-- include 's.t'", "a: {{ ns.v }}", "b: {{ 'a' * 10 ** 9 }}", "{{", "}}",
    "c: {{ 10 ** 10 ** 6 }}", "d: {{ x.__class__ }}", "e: !var q", "f: &x [1, 2]", "g: *x",
    "h: {<<: *x, k: *x}", "i: !call:dict {a: *x}", "j: !factory:list [[*x, *x]]", "k: ${a}",
    "l: ${oc.env:HOME}", "m: ${l", "defaults: [b, _self_]", "defaults: [main]", "- ", "n: [",
    "_target_: builtins.dict", "o: !call:os:system ['true']", "p: !partial:dict", "%YAML 1.1",
    "q: 1e999", "r: 0x_", "s: 2020-01-01", "\ttab: 1", "t: |", "  deeper: 1", "---", "...",
    "? u", "v: !!binary x", "w: !<", "\x00", "\u2028", "\r", "é: é", "9" * 5000 + ": 1",
    "# @package a",
)  # fmt: skip


def text(draw: random.Random) -> str:
    """A document: lines of the language, some of them cut or doubled."""
    lines = draw.choices(LINES, k=draw.randint(1, 9))
    for place in range(len(lines)):
        if draw.random() < 0.15:
            lines[place] = lines[place][: draw.randint(0, 12)]
        if draw.random() < 0.15:
            lines[place] = " " * draw.randint(1, 4) + lines[place]
    return "\n".join(lines)


def load(document: str, folder: Path) -> None:
    fg.ConfigEnvironment(folder).load("main.yaml", x=1)


def composed(document: str, folder: Path) -> None:
    with initialize_config_dir(str(folder), version_base=None):
        compose("main")


def outcome(way, document: str, folder: Path) -> str:
    """What became of a document; raises whatever is no error of ours, or of Hydra's."""
    refusals: tuple[type[Exception], ...] = (ForgatherError,)
    if way is composed:  # plain YAML is read by Hydra, and refused in its words
        refusals += (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError)
        refusals += () if is_template(document) else (RecursionError, OSError)
    try:
        way(document, folder)
    except refusals:
        return "refused"
    finally:
        GlobalHydra.instance().clear()
    return "read"


def fuzz(number: int, seed: int, folder: Path) -> None:
    """Try so many documents, of which every fourth goes through Hydra; to be run in a process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    (folder / "base.yaml").write_text("[a]\na: 1\n\n[b]\nb: 2\n")
    (folder / "b.yaml").write_text("b: 1\n")
    draw = random.Random(seed)
    with contextlib.redirect_stdout(None):
        for count in range(number):
            document = text(draw)
            (folder / "main.yaml").write_text(document, encoding="utf-8")
            way = composed if count % 4 == 0 else load
            try:
                outcome(way, document, folder)
            except Exception as error:
                error.add_note(f"document {count} of seed {seed}, {way.__name__}: {document!r}")
                raise
