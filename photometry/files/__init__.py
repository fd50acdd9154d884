"""File formats, one module each: schema, reader and writer."""
