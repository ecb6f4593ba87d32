"""Faults of every kind under load, and the rule that nothing may be unexplained."""
