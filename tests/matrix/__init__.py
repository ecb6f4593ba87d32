"""Every Python and every MPM, in one table."""
