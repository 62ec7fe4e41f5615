"""Reading logs of requests of any size: their blocks, their times, their formats, their order, their summary."""
