"""Measurements of this project and of its peers, each made side by side in one run.

``python -m benchmarks`` measures what fits into a dozen minutes, ``--large`` the whole, in hours; both go on
where they were stopped. ``python -m benchmarks chart`` draws what is there. Servers and readers are processes
of their own, so that neither pays for the other.
"""
