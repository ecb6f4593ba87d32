"""This module beside the one it replaces: the same requests to both, and what differs."""
