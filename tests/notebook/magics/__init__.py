"""Asking from a notebook: real servers, a real IPython."""
