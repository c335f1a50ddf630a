"""Row functions and the machinery that turns them into batch kernels."""
