"""Inputs for property tests, also of packages that build on hepbaler. Needs hypothesis."""

from __future__ import annotations
