"""Reads and writes the files that measuring needs: benchmark reports, published tables, fits, profiles."""
