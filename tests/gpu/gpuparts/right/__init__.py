"""Whether results are right on a device."""
