"""The notebooks that Voilà serves."""
