"""From files of measurements to the parameters of a device.

`readers` turns files into `measurements`, the neutral form that the estimators take: SI units, one
table per kind of experiment. `lines` opens and decodes files, `table` reads their columns, `checks`
refuses wrong units, `events` turns a history of pulses and reads into experiments.
"""
