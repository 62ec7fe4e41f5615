"""This package reads, writes, compares and judges plans as files. It decides nothing and knows no solver."""
