"""Pipeline-parallel training: plan, stages, steps and weights."""
