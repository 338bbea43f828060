"""A workspace with a project that trains, and one that uses nothing but the language."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.plugins import Plugins

# Hydra's next version registers their configs once; a test would undo that.
Plugins.instance()

FILES = {
    "tiny/meta.yaml": "name: Tiny\ndescription: Small runs\ndefault_config: small.yaml\n",
    "tiny/templates/configs/small.yaml": """\
-- extends 'experiment/stories.yaml'

-- block config_metadata
    == super()
    -- set ns.name = "Small"
    -- set ns.heads = 2
-- endblock config_metadata

-- block model_config
model_config:
    hidden_size: {{ ns.heads * 16 }}
    num_attention_heads: {{ ns.heads }}
    num_key_value_heads: {{ ns.heads }}
    intermediate_size: 64
-- endblock model_config

-- block trainer_args
        == super()
        max_steps: 4
        eval_strategy: "no"
        save_strategy: "no"
-- endblock trainer_args
""",
    "tiny/templates/configs/sub/short.yaml": (
        "-- extends 'configs/small.yaml'\n\n-- block trainer_args\n        == super()\n"
        "        max_steps: 2\n-- endblock trainer_args\n"
    ),
    "tiny/templates/optimizer/mine.yaml": (
        "_target_: torch.optim.SGD\n_partial_: true\nlr: {{ 0.1 * 2 }}\n"
    ),
    "language/meta.yaml": "name: Language\nsystem_path: code\n",
    "language/code/project_language_parts.py": "def pair(a, b):\n    return a, b\n",
    "language/templates/configs/a.yaml": (
        "main: !call:project_language_parts:pair\n    a: !var {name: size, default: 3}\n"
        "    b: {{ project_dir | toyaml }}\nother: 1\n"
    ),
    "language/templates/configs/list.yaml": "- 1\n- 2\n",
    "language/templates/configs/wrong.yaml": "main: !call:dict\n    x: {{ nothing }}\n",
    "language/templates/configs/without_main.yaml": "other: !call:dict {x: 1}\n",
}


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    """The workspace with the projects ``tiny`` and ``language``."""
    (tmp_path / "forgather_workspace").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path
