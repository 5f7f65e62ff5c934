"""What really happened, against another policy: which acts it would have refused, which refusals let pass.

past        what happened, as values
history     reads it from the chain: every act with its calldata, proven by the hash in the audit chain
simulate    decides each again under the new policy, in order, with buckets and counters of its own
"""

from __future__ import annotations
