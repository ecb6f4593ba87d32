"""What the integration tests need to run a real Apache: see README.md."""
