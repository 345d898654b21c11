"""Kernels without waiting for imports: a process of the user's server has IPython imported and is copied for each."""
