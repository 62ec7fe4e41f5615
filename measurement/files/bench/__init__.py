"""Reports of benchmark tools, read into our own words. Each tool has a module, and `formats` lists them all."""
