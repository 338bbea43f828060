import collections
import os.path
import sys
from pathlib import Path

import pytest

from forgather_hydra.errors import ForgatherError
from forgather_hydra.graph.codegen.imports import importable
from forgather_hydra.graph.imports import resolve
from forgather_hydra.graph.operations import OPERATIONS


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("pow", pow),
        ("str.upper", str.upper),
        ("getitem", OPERATIONS["getitem"]),
        ("collections:OrderedDict.fromkeys", collections.OrderedDict.fromkeys),
        ("os:path.join", os.path.join),
        ("os.path.join", os.path.join),
    ],
)
def test_specs(spec: str, found: object) -> None:
    assert resolve(spec) == found


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("str.upper", ("builtins", "str", "upper")),
        ("os:path.join", ("os", "path", "join")),
        ("torch.optim.AdamW", ("torch.optim", "AdamW", "")),
        ("torch:optim.AdamW", ("torch", "optim", "AdamW")),
        ("torch:nn.functional.relu", ("torch.nn", "functional", "relu")),
        ("xml:etree.ElementTree.parse", ("xml.etree", "ElementTree", "parse")),
        (".rms_norm:RMSNorm.make", (".rms_norm", "RMSNorm", "make")),
        ("/a/f.py:C.make", ("/a/f.py", "C", "make")),
    ],
)
def test_what_generated_code_imports(spec: str, parts: tuple[str, str, str]) -> None:
    assert importable(spec) == parts


def test_import_errors_keep_their_type_and_name_what_is_near() -> None:
    with pytest.raises(ImportError, match="collections") as caught:
        resolve("colections:Counter")
    assert isinstance(caught.value, ForgatherError)
    assert caught.value.kind == "import_failed"
    with pytest.raises(AttributeError, match="Counter") as missing:
        resolve("collections:Countr")
    assert getattr(missing.value, "kind", None) == "attribute_missing"
    with pytest.raises(NameError, match="no_such_name"):
        resolve("no_such_name")


def test_files_of_one_name_are_different_modules(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "json.py").write_text(f"value = {folder!r}\n")
    found = [resolve(f"{tmp_path}/{folder}/json.py:value") for folder in ("a", "b", "a")]
    assert found == ["a", "b", "a"]
    assert not hasattr(sys.modules.get("json"), "value")


def test_relative_imports_of_a_file_search_the_union_of_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "a" / "part.py").write_text("from .other import H\nclass P: h = H\n")
    (tmp_path / "b" / "other.py").write_text("H = object()\n")
    spec, path = f"{tmp_path}/a/part.py:P", (f"{tmp_path}/b",)
    assert resolve(spec, path) is resolve(spec, path)
    assert resolve(spec + ".h", path) is resolve(f"{tmp_path}/a/part.py:H", path)
    with pytest.raises(ImportError, match=r"part\.py"):
        resolve(spec)
    with pytest.raises(ImportError, match="no such file"):
        resolve(f"{tmp_path}/none.py:P")
