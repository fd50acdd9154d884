"""The stages of the pipeline: each one a short shell around the rooms below."""
