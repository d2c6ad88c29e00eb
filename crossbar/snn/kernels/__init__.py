"""Event-driven kernels: layers of any kind one after the other, and a loss.

`bptt` takes chunks of samples through the network. What a layer, a neuron and a loss do is picked
by the types of their records (`dispatch`): stubs stand in `topology`, `neuron` and `loss`, their
kernels with the settings that they belong to (`crossbar.snn.topology`, `.neurons`, `.losses`), made
of the pieces in `forward`, `recurrent`, `adc` and `backward`. Neurons go in blocks of sixteen
(`simd`). Nothing here depends on threads.
"""
