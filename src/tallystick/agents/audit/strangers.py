"""What is told of tokens and is no gap, because anybody can make it so, or the owner may have wanted it.

Everybody can deploy a token that says that it left this account. So whatever was not asked for is named in a line for
each token, and never counted: who knows that such a token is worth something names it to the audit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tallystick.agents.audit.evidence import Evidence
from tallystick.agents.audit.findings import Area, Finding, Movement, Tie
from tallystick.chain.bindings.token import Transfer
from tallystick.core.limits import AUDIT_STRANGERS_MAX


def told_of_tokens(evidence: Evidence, movements: Sequence[Movement]) -> Iterator[Finding]:
    """Yield a remark for each allowance that is left, and for each token of which it is only said that it moved."""
    for (token, spender), left in evidence.allowances.items():
        if left:
            words = f"{spender} may take {left} of {token} without a link, by an allowance that was given and is left"
            yield Finding(Area.TOKENS, "tokens.allowance", words, is_gap=False)
    nothing = Counter(one.token for one in movements if one.is_out and one.tie is Tie.NONE and not one.amount)
    for token, count in nothing.items():
        words = f"{token} says {_times(count)} that nothing of it went out: not of this account's doing"
        yield Finding(Area.TOKENS, "tokens.nothing", words, is_gap=False)
    unwatched = Counter(
        log.address
        for log in evidence.logs
        if log.topics[0] == Transfer.topic and log.topics[1] == evidence.word and log.address not in evidence.tokens
    )
    for token, count in unwatched.most_common(AUDIT_STRANGERS_MAX):
        words = f"{token} says {_times(count)} that some of it went out; nobody budgeted it: name it to account for it"
        yield Finding(Area.TOKENS, "tokens.unwatched", words, is_gap=False)
    rest = len(unwatched) - AUDIT_STRANGERS_MAX
    if rest > 0:
        words = f"{rest} more tokens that nobody budgeted say so"
        yield Finding(Area.TOKENS, "tokens.unwatched", words, is_gap=False)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
