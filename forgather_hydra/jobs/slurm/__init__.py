"""Jobs on a SLURM cluster: their batch script, what the cluster says, and the wait for them."""
