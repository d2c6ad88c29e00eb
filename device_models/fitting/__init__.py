"""From files of measurements to the parameters of a device.

`readers` turns files into `measurements`: SI units, one table per kind of experiment, whatever the
format. `lines` opens and decodes files, `table` reads their columns, `checks` refuses wrong units,
`conductance` makes siemens of resistances and currents, `events` turns a history of pulses and
reads into experiments, `options` hold what the files do not state.

`fit` runs the `estimators`, one file per quantity, and returns a `result`: a device model with an
interval and a source for every number. `parameter_draws` draws devices within those intervals,
`simulate` repeats the measured experiments on them, and `predictive_checks` compares the
`quantities` of both.
"""
