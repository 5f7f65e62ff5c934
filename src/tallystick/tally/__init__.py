"""An open workspace in Python: one object that hands each room its ports.

    with tallystick.open(".tally") as tally:
        tally.models.register("tumour")

The command line, the services and the demos stand on it; a user's own program can. One file per room here: a room that
is deleted takes its file with it, and the rest goes on.
"""

from tallystick.tally.workspace import Tally

__all__ = ["Tally"]
