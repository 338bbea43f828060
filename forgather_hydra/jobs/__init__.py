"""Where jobs run: this machine's devices or a SLURM cluster; and what becomes of them."""
