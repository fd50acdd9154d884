"""Simulated sectors with known truth, rendered and made noisy by code of their own."""
