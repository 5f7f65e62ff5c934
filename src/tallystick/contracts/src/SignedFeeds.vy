# pragma version 0.4.3
"""
@title   SignedFeeds
@license Apache-2.0
@notice  Named sources of features, and whether a reading is theirs, fresh and not from the future. The interface
         ISignedFeeds.vyi teaches the contract; this shell composes its module.
@custom:invariant Sources and the terms of their keys are never edited. A reading counts only under the key of now.
@custom:kill      There is none: no administrator, no pause, no upgrade. An owner replaces a stolen key, or ends its
                  source by rotating to zero.
@custom:security  Whoever asks must name the source id and the subject itself: anyone may register a source and sign
                  what they like with it. No money is held here; ether sent here is refused.
"""

from ..interfaces import IFeatureSource
from ..interfaces import ISignedFeeds
from .feeds import feeds

implements: IFeatureSource
implements: ISignedFeeds

initializes: feeds

exports: (
    feeds.register_source,
    feeds.rotate_source_key,
    feeds.source_count,
    feeds.source_at,
    feeds.source_signer_at,
    feeds.check_features,
    feeds.reading_digest,
    feeds.eip712Domain,
)
