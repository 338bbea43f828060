"""The directories of runs and sweeps: names of files, how they are written, what they say."""
