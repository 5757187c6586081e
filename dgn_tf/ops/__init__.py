"""Functions of tensors that know no model: warp, Jacobian, regularizers, smoothing, resizing."""
