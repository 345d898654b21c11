"""Servers and kernels without waiting for imports: a process that has everything imported is copied for each."""
