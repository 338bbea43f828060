"""Where jobs run: on the devices of this machine or on a SLURM cluster, and what becomes of them."""
