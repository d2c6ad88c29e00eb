"""A board behind an SCPI-99 instrument on a TCP socket: the instrument, its server, its client."""
