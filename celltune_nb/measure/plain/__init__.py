"""What the compiled kernels measure, with NumPy alone: the same values, some five times slower.

It needs nothing compiled, so that a fresh installation measures its first image at once.
"""
