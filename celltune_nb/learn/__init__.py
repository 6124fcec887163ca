"""Models, training, sampling, evaluation, calibration: arrays in, arrays out."""
