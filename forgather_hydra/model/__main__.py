"""``python -m forgather_hydra.model construct|test|convert``."""

from forgather_hydra.cli.model import main

main(prog="python -m forgather_hydra.model")
