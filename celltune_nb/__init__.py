"""Teach a classifier to your cells, in the notebook.

The public names are listed in ``__init__.pyi`` and loaded on first use, so that
``import celltune_nb`` stays cheap.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

__version__ = "0.1.0"
