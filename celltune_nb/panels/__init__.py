"""The widgets.  Only here are ipywidgets, ipycanvas, bqplot and anywidget imported."""
