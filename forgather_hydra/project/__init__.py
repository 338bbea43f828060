"""Workspaces and projects: folders with a meta.yaml."""
