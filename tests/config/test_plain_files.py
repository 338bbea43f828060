"""Plain YAML files that nobody can read: one message that names the file and the line."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import forgather_hydra as fg
from forgather_hydra.config.package import package_path
from forgather_hydra.config.plain import fault_of
from forgather_hydra.errors import ForgatherError

pytestmark = pytest.mark.usefixtures("memory_bound")

HEAD = b"# @package _global_\n"


def test_a_header_names_the_package_by_group_and_name() -> None:
    assert package_path("_group_._name_", "a/b/adamw.yaml") == "a.b.adamw"
    assert package_path("_global_.x", "a/adamw.yaml") == "x"
    assert package_path(None, "a/b/adamw.yaml") == "a.b"


def bomb(first: str, following: str, levels: int = 40) -> bytes:
    lines = [f"l0: &l0 {first}"]
    lines += [f"l{i}: &l{i} {following.replace('*', f'*l{i - 1}')}" for i in range(1, levels)]
    return HEAD + "\n".join(lines).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (HEAD + b"x: caf\xe9\n", 2, "no UTF-8"),
        (HEAD + b"a: 1\nx: " + b"9" * 6000 + b"\n", 3, "a number of 6000 digits"),
        (HEAD + b"a: 1\nx: 0x" + b"f" * 4000 + b"\n", 3, "a number of 4002 digits"),
        (HEAD + b"x: 59" + b":59" * 3000 + b"\n", 2, "a number of 9002 digits"),
        (HEAD + b"x: !!int '" + b"9" * 6000 + b"'\n", 2, "a number of 6000 digits"),
        (bomb("[x]", "[*, *]"), None, "20,000 values"),
        (bomb("{a: 1}", "{<<: [*, *]}"), None, "20,000 values"),
        (HEAD + b"t: &t " + b"x" * 10_000 + b"\nl: [" + b"*t, " * 5000 + b"]\n", 3, "20,000"),
        (HEAD + b"a: 1\nb: &b {c: *b}\n", 3, "*b stands inside of what it stands for"),
        (HEAD + b"x: " + b"[" * 99 + b"]" * 99 + b"\n", 2, "60 levels deep"),
        (HEAD + b"x: " + b"[" * 5000 + b"]" * 5000 + b"\n", 2, "60 levels deep"),
        (HEAD + b"\n".join(b" " * i + b"a:" for i in range(99)), None, "60 levels deep"),
        (bomb("[x]", "[*]", 99), None, "60 levels deep"),
    ],
)
def test_faults(content: bytes, line: int | None, told: str, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    begin = time.process_time()
    fault = fault_of(str(file))
    assert fault is not None
    assert told in str(fault)
    assert fault.line == (line or fault.line)
    assert time.process_time() < begin + 2


@pytest.mark.parametrize(
    "content",
    [
        HEAD + b"x: '" + b"9" * 6000 + b"'\n",
        HEAD + b"a: &a [1, 2]\nb: [*a, *a]\nc: {<<: {d: 1}}\n",
        HEAD + b"glob: '**/*.txt'\nhash: " + b"0123456789abcdef" * 300 + b"g\n",
        HEAD + b"x: " + b"[" * 50 + b"]" * 50 + b"\n",
        b"\xef\xbb\xbfx: caf\xc3\xa9\n",
        b"x: [1\n",
    ],
)
def test_files_that_can_be_read_or_are_told_of_by_who_reads_them(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    assert fault_of(str(file)) is None


FILES = {
    "latin": HEAD + b"x: caf\xe9\n",
    "digits": HEAD + b"x: " + b"9" * 6000 + b"\n",
    "deep": HEAD + b"x: " + b"[" * 300 + b"]" * 300 + b"\n",
}
FILES["aliases"] = HEAD + b"{" + bomb("[x]", "[*, *]", 18)[len(HEAD) :].replace(b"\n", b", ") + b"}"


@pytest.mark.parametrize("place", ["file://{}", "{}"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_on_the_search_path(name: str, place: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine/choice").mkdir(parents=True)
    (tmp_path / f"mine/choice/{name}.yaml").write_bytes(FILES[name])
    (tmp_path / "mine/choice/by_default.yaml").write_text(f"defaults: [{name}]\n")
    for choice in (name, "by_default"):
        with pytest.raises(ForgatherError) as caught:
            fg.launch(f"hydra.searchpath=[{place.format(tmp_path / 'mine')}]", f"+choice={choice}")
        assert f"mine/choice/{name}.yaml:2" in str(caught.value)


def test_an_ordinary_application_with_a_template(application: Any, run_commands: Any) -> None:
    bomb_of_18 = FILES["aliases"].decode()
    files = {"config.yaml": "x: 1\n", "db/a.yaml": bomb_of_18, "t.yaml": "x: !call:dict {}\n"}
    folder = application(files)
    (folder / "more/db").mkdir(parents=True)
    (folder / "more/db/b.yaml").write_text(bomb_of_18)
    words = "hydra.searchpath=[file://more] +db=b"
    done = run_commands(folder, [["+db=a"], words.split()])
    for command, name in (("+db=a", "a"), (words, "b")):
        outcome = done.of[command]
        assert outcome.code == 1
        assert f"db/{name}.yaml:2: its aliases stand for" in outcome.error
        assert "Traceback" not in outcome.error


REFUSED_BY_HYDRA = {
    "a: 1\ndefaults: base\n": "2: Invalid defaults list in 'db/NAME', defaults must be a list",
    "defaults: {db: base}\n": "1: Invalid defaults list in 'db/NAME', defaults must be a list",
    "a: 1\n\ndefaults: [{a: 1, b: 2}]\n": "3: In db/NAME: Too many keys in default item",
    "defaults: [{/db@x: 3}]\n": "1: Unsupported item value in defaults : int",
    "#\n# @package _global_  # for all\na: 1\n": "2: Too many components in '@package _global_",
}


def test_a_header_or_a_defaults_list_that_hydra_refuses(
    application: Any, run_commands: Any
) -> None:
    """The file and its line are told, of templates and of plain files beside them."""
    files, lines = {"config.yaml": "x: 1\n"}, {}
    for number, (text, line) in enumerate(REFUSED_BY_HYDRA.items()):
        for name, more in ((f"plain{number}", ""), (f"template{number}", "-- set z = 1\n")):
            is_header = "@package" in text  # which Hydra looks for on the first lines alone
            files[f"db/{name}.yaml"] = (text if more or not is_header else text[2:]) + more
            lines[name] = f"db/{name}.yaml:{line}".replace("NAME", name)
            if is_header and not more:
                lines[name] = lines[name].replace(":2:", ":1:")
    done = run_commands(application(files), [[f"+db={name}"] for name in lines])
    for name, line in lines.items():
        outcome = done.of[f"+db={name}"]
        assert line in outcome.error
        assert "Traceback" not in outcome.error


def test_an_application_without_templates(application: Any, run_commands: Any) -> None:
    """There, what Hydra can read is read."""
    folder = application({"config.yaml": "x: 1\n"})
    (folder / "more/db").mkdir(parents=True)
    (folder / "more/db/b.yaml").write_text("a: [" + "[" * 64 + "]" * 64 + "]\n")
    words = "hydra.searchpath=[file://more] +db=b --cfg job"
    assert run_commands(folder, [words.split()]).of[words].code == 0


def test_a_file_that_is_one_value(tmp_path: Path) -> None:
    (tmp_path / "choice").mkdir()
    (tmp_path / "choice/one.yaml").write_text("99999\n")
    for place in (f"file://{tmp_path}", f"forgather://{tmp_path}"):
        with pytest.raises(ForgatherError, match=r"one.yaml:1: a config is a mapping"):
            fg.launch(f"hydra.searchpath=[{place}]", "+choice=one")
