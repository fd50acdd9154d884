"""Numerics: arrays in, arrays out, with neither files nor settings."""
