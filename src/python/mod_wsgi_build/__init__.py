"""Helpers of setup.py and configure; never installed."""
