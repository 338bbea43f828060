"""Launchers. Any Hydra application imports the modules here that have no leading underscore."""
