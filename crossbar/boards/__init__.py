"""The seam to hardware: what a board of devices can be asked, and the emulated one."""
