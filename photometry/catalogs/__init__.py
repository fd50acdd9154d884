"""Where stars come from: sources of rows for the catalogue of a CCD."""
