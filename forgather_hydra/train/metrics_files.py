"""Methods by which scripts for Hugging Face's trainer report: metrics, state, the Hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forgather_hydra.rundir.files import dumps


class MetricsFiles:
    """What such scripts call of a trainer behind `train` and `evaluate`; the first process prints
    and writes.
    """

    def is_world_process_zero(self: Any) -> bool:
        return bool(self.state.is_world_process_zero)

    def is_local_process_zero(self: Any) -> bool:
        return bool(self.state.is_local_process_zero)

    def log_metrics(self: Any, split: str, metrics: dict[str, Any]) -> None:
        """Prints metrics, one a line."""
        if self.state.is_world_process_zero:
            width = max(map(len, metrics), default=0)
            lines = (f"  {name:<{width}} = {value}" for name, value in sorted(metrics.items()))
            print("\n".join([f"***** {split} metrics *****", *lines]))

    def metrics_format(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """The metrics as they are: numbers are printed as numbers."""
        return dict(metrics)

    def save_metrics(self: Any, split: str, metrics: dict[str, Any], combined: bool = True) -> None:
        """Writes `<split>_results.json`, and adds the metrics to `all_results.json`."""
        if not self.state.is_world_process_zero:
            return
        _write(Path(self.args.output_dir) / f"{split}_results.json", metrics)
        if combined:
            path = Path(self.args.output_dir) / "all_results.json"
            former = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            _write(path, former | metrics)

    def save_state(self: Any) -> None:
        """Writes `trainer_state.json`: step, epoch and the history of logs."""
        if self.state.is_world_process_zero:
            _write(Path(self.args.output_dir) / "trainer_state.json", asdict(self.state))

    def push_to_hub(
        self: Any,
        commit_message: str = "End of training",
        repo_id: str | None = None,
        token: str | None = None,
        private: bool | None = None,
    ) -> Any:
        """Saves the model in `<output_dir>/model` and uploads it.

        Args:
            repo_id: by default a repository of the user with the name of `output_dir`.

        Raises:
            ConnectionError: where the Hub cannot be reached or refuses; the model is saved.
        """
        from huggingface_hub import HfApi

        directory = Path(self.args.output_dir) / "model"
        self.save_model(directory)
        if not self.state.is_world_process_zero:
            return None
        name = repo_id or Path(self.args.output_dir).resolve().name
        try:
            made = HfApi(token=token).create_repo(name, private=private, exist_ok=True)
            return HfApi(token=token).upload_folder(
                repo_id=made.repo_id, folder_path=directory, commit_message=commit_message
            )
        except Exception as error:  # of whichever library it speaks HTTP with
            raise ConnectionError(
                f"{name} could not be uploaded ({error}); the model is saved: upload it later with "
                f"hf upload {name} {directory}"
            ) from error


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dumps(content, indent=4, sort_keys=True) + "\n", encoding="utf-8")
