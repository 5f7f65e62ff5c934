"""`python -m tallystick`: the command `tally`."""

from tallystick.cli.main import main

main()
