"""A script without any of the functions that somebody may look for."""
