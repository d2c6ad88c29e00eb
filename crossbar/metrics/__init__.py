"""Measures of results: confidence intervals."""
