"""The model card: README.md in the directory of its model, as Hugging Face shows it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from forgather_hydra.rundir import evaluations
from forgather_hydra.rundir.command import command_of
from forgather_hydra.rundir.files import read_json
from forgather_hydra.rundir.names import CARD, HYDRA, VERSIONS
from forgather_hydra.rundir.run import RunDirectory

_MARK = "<!-- Written by forgather_hydra; without this line, the card is left as it is. -->"
_METRICS = ("eval_loss", "eval_perplexity")
_FACTS = ("parameters", "global_step", "tokens", "epoch", "initial_eval_loss", *_METRICS)
_SETTINGS = ("data", "model_config", "optimizer", "lr_scheduler", "trainer.args")
_PACKAGES = ("forgather-hydra", "torch", "transformers", "datasets", "tokenizers")


def write_card(run_dir: Path, model_dir: Path, license: str | None = None) -> Path:
    """Write the card, from what the run directory holds; a card that somebody else wrote stays.

    Args:
        run_dir: of the run.
        model_dir: of its model.
        license: of the model, as the hub calls it, such as `apache-2.0`; None for what the card
            that is there says.

    Returns:
        The file.
    """
    from huggingface_hub import ModelCard

    path = model_dir / CARD
    former = path.read_text(encoding="utf-8") if path.exists() else ""
    if former and _MARK not in former:
        return path
    if former and license is None:
        license = ModelCard(former).data.get("license")
    run = _Facts(run_dir, model_dir)
    head = _metadata(run, license).to_yaml()
    path.write_text(f"---\n{head}\n---\n\n" + "\n".join(_body(run)), encoding="utf-8")
    return path


def write_card_of_model(
    model_dir: Path, command: Sequence[str], about: str, source: Path | None = None
) -> Path:
    """Write the card of a model that no run has made; a card that somebody else wrote stays.

    Args:
        model_dir: of the model.
        command: that has made it, in words.
        about: one sentence about the model, without its class.
        source: the directory of the model that it was made of, whose licence holds.

    Returns:
        The file.
    """
    from huggingface_hub import ModelCard

    path = model_dir / CARD
    if path.exists() and _MARK not in path.read_text(encoding="utf-8"):
        return path
    former = next((c for c in (source and source / CARD, path) if c and c.exists()), None)
    license = ModelCard(former.read_text(encoding="utf-8")).data.get("license") if former else None
    architecture = read_json(model_dir / "config.json") or {}
    lines = [
        *(_MARK, f"\n# {model_dir.resolve().name}\n"),
        f"A causal language model ({_kind(architecture)}){about}.\n",
        *_use(architecture),
        *("## How it was made\n", "```sh", shlex.join(command), "```", ""),
    ]
    head = _common_metadata(license).to_yaml()
    path.write_text(f"---\n{head}\n---\n\n" + "\n".join(lines), encoding="utf-8")
    return path


class _Facts:
    """What is known of a run and its model."""

    def __init__(self, run_dir: Path, model_dir: Path) -> None:
        run = RunDirectory(run_dir)
        hydra = _yaml(run_dir / HYDRA / "hydra.yaml").get("hydra") or {}
        overrides: list[str] | None = run.record.get("overrides")
        self.name = run_dir.resolve().name
        # A program of somebody's own, which has called the trainer, leaves no record.
        self.command = None if overrides is None else command_of(overrides, hydra)
        self.config = _yaml(run_dir / HYDRA / "config.yaml")
        self.choices: dict[str, str] = (hydra.get("runtime") or {}).get("choices") or {}
        finals = [record for record in run.metrics() if record.get("final")]
        self.final: dict[str, Any] = finals[-1] if finals else {}
        self.evaluations = evaluations.read(run_dir)
        self.versions = read_json(run_dir / VERSIONS) or {}
        self.architecture = read_json(model_dir / "config.json") or {}

    @property
    def data(self) -> str:
        return self.choices.get("data") or "the evaluation data of the run"


def _metadata(run: _Facts, license: str | None) -> Any:
    from huggingface_hub import EvalResult

    own = {name: run.final[name] for name in _METRICS if run.final.get(name) is not None}
    found = {run.data: own} if own else {}
    found |= {name: each["metrics"] for name, each in run.evaluations.items()}
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=re.sub(r"[^\w.-]+", "-", data),
            dataset_name=data,
            metric_type=metric,
            metric_value=value,
        )
        for data, metrics in found.items()
        for metric, value in metrics.items()
    ]
    # Without results, a name would make a list of none, which the hub refuses.
    named: dict[str, Any] = {}
    if results:
        named = {"model_name": run.name, "eval_results": results}
    return _common_metadata(license, **named)


def _common_metadata(license: str | None, **more: Any) -> Any:
    from huggingface_hub import ModelCardData

    return ModelCardData(
        license=license,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["forgather_hydra"],
        **more,
    )


def _kind(architecture: dict[str, Any]) -> str:
    return str((architecture.get("architectures") or ["a model"])[0])


def _body(run: _Facts) -> Iterator[str]:
    kind = _kind(run.architecture)
    yield f"{_MARK}\n\n# {run.name}\n\nA causal language model ({kind}), trained on {run.data}.\n"
    yield from _use(run.architecture)
    yield "## Metrics\n\n| | | |\n| --- | --- | --- |"
    yield from (f"| run | {name} | {_shown(run.final[name])} |" for name in _facts(run))
    for name, each in run.evaluations.items():
        yield from (
            f"| {name} | {key} | {_shown(value)} |" for key, value in each["metrics"].items()
        )
    yield "\n## How it was made\n"
    if run.command:
        yield f"```sh\n{shlex.join(run.command)}\n```\n"
    yield from _configuration(run.config)
    yield ", ".join(f"{name} {run.versions[name]}" for name in _PACKAGES if name in run.versions)
    yield ""


def _use(architecture: dict[str, Any]) -> Iterator[str]:
    yield "## Use\n\n```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n"
    more = ", trust_remote_code=True" if "auto_map" in architecture else ""
    yield f"model = AutoModelForCausalLM.from_pretrained(DIRECTORY{more})"
    yield f"tokenizer = AutoTokenizer.from_pretrained(DIRECTORY{more})\n```\n"
    if more:
        yield "The code of the model lies beside its weights, and is run when it is loaded.\n"


def _facts(run: _Facts) -> list[str]:
    return [name for name in _FACTS if isinstance(run.final.get(name), (int, float))]


def _configuration(config: dict[str, Any]) -> Iterator[str]:
    import yaml

    sections = {}
    for path in _SETTINGS:
        section: Any = config
        for key in path.split("."):
            section = section.get(key) if isinstance(section, dict) else None
        if section:
            sections[path] = section
    if sections:
        yield f"```yaml\n{yaml.safe_dump(sections, sort_keys=False)}```\n"


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        content = None
    return content if isinstance(content, dict) else {}
