"""Each part stands alone: torch, transformers, the standard library and siblings only.

One part may import flash-attn, under the condition that transformers understands.
"""

import ast
import sys

import pytest

from forgather_hydra import paths

PARTS = sorted(paths.modelsrc_dir().glob("*.py"))
ALLOWED = {"torch", "transformers", "flash_attn", *sys.stdlib_module_names}


@pytest.mark.parametrize("path", PARTS, ids=lambda path: path.stem)
def test_imports(path):
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            assert {alias.name.split(".")[0] for alias in statement.names} <= ALLOWED
        elif isinstance(statement, ast.ImportFrom) and statement.level:
            assert statement.level == 1
            assert (path.parent / f"{statement.module}.py").is_file()
        elif isinstance(statement, ast.ImportFrom):
            assert statement.module.split(".")[0] in ALLOWED
