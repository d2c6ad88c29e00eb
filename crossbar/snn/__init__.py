"""The spiking network: codes, equations, kernels, and layers on boards."""
