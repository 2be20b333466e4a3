"""Measurements of this project and of its peers, each made side by side in one run.

``python -m benchmarks`` measures everything at a small size in under three minutes, ``--full`` at the sizes
that the README quotes. Servers and readers are processes of their own, so that neither pays for the other.
"""
