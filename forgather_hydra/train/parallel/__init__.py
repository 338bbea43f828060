"""Where and how a model runs: one process, several with Accelerate, FSDP."""
