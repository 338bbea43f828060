"""The job: what runs once a configuration is composed."""
