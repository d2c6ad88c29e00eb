"""The command `xbar`: one click command per file. They parse, call and print."""
