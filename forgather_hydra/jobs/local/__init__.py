"""Jobs on this machine: who runs when, on which device, in which processes."""
