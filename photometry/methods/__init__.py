"""Photometric methods: the base class and what derives from it."""
