"""The command line `tally`: the only door that prints. One file per group of commands, found by listing this folder."""
