"""Measurements, each beside its floor: `python -m bench`, or one of them alone."""
