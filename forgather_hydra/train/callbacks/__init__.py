"""Callback events, and the callbacks that come with the trainer."""
