"""File formats read as evidence: strict, bounded, and never by running what a file holds."""
