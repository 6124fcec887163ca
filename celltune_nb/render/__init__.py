"""Arrays to pixels: camera, compositing, overlays.  No widget."""
