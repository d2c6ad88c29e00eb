"""Loaders of data sets, and the ladder of ways to find or fetch their files.

`idx` decodes one file, `files` checks a set of files, `fetch` gets them over the network, `ladder`
is the order in which the ways are tried, and one module per data set (`fashion_mnist`) says which
files there are and what they mean.
"""
