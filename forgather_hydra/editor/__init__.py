"""What an editor asks about a file: its problems, where a name is defined, who set a value."""
