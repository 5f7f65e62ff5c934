"""From the policy that an account has to the one that its owner wants.

setters     the contract's own setters, as values
diff        each difference as a change: in words, as a raise or a lowering, with its setter
plan        the exact order: lowerings at once, raises announced, and made once due
calls       the calls to send, through the bindings
live        what an account has now, read from its chain
"""

from __future__ import annotations
