"""What computes a pass of a batch: event-driven kernels or dense torch."""
