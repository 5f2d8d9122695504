"""`python -m jaxreg.bench`: how fast the engine is on this machine, next to what a user would take instead."""
