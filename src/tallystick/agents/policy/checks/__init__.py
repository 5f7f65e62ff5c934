"""What is wrong with a policy, part by part: each file yields the findings of one noun."""

from __future__ import annotations
