"""The figures: the only place that knows matplotlib.

Every function takes plain numbers and returns a `matplotlib.figure.Figure`, which
`crossbar.figures.style.save` writes. Nothing here touches pyplot or the global settings.
"""
