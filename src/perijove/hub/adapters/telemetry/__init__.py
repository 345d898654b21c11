"""What becomes of domain facts: log lines and metrics."""
