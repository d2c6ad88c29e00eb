"""Arrays of memristive devices, and everything that runs on them."""
