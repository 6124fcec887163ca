"""Arrays to features."""
