"""How fast training is on a device."""
