"""Example projects: real cells that scikit-image ships, and synthetic tissue with known truth."""
