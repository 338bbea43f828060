"""What can be seen of jobs while they run, from the launch and from other terminals."""
