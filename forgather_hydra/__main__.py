"""``python -m forgather_hydra <hydra overrides>``."""

from forgather_hydra.cli.app import main

main()
