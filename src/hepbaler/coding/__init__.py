"""From integers to bytes and back: the plain coder, and the learned one.

Neither knows ROOT, awkward or torch; both are exact.
"""

from __future__ import annotations
