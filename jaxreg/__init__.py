"""jaxreg: how strongly to regularise, and what it buys."""

__version__ = "0.1.0"
