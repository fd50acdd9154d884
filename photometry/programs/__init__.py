"""Command lines: parse, configure and call one stage."""
