"""The inner ear behind the Spiking Heidelberg Digits: sound to spikes of 700 bushy cells.

`membrane` is the basilar membrane as a table over frequency, `kernels` are hair cells, fibres and
bushy cells, `model` is the chain, and `recordings` finds the sounds that `build` converts.

Source:
    B. Cramer, Y. Stradmann, J. Schemmel, F. Zenke, "The Heidelberg spiking data sets for the
    systematic evaluation of spiking neural networks", IEEE Trans. Neural Netw. Learn. Syst. 33(7),
    2744-2757, 2022. Tables, sampling and padding are ours.
"""
