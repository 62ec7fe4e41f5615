"""Reports of benchmark tools, read into our own words: one module a tool, and the table of them in `formats`."""
