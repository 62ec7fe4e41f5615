"""The report: a plan, or its change, as a page that opens without a network. It draws values and decides nothing.

`charts` has a module for each picture, `canvas` is the door to the library that draws them, `page` puts everything
together. A picture has a table behind it, and both come from the same rows.
"""
