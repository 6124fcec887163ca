"""Serve a project as a page: the entry notebooks, their look, and the server on this machine."""
