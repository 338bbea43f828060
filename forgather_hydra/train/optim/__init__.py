"""Optimizers, their state, parameter groups and schedules."""
