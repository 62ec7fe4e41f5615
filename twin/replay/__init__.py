"""An open-loop load generator: it replays arrivals against a gateway on their own schedule and times what comes back.

Open loop means that a slow answer delays nobody else's request, as with real users. Time is scaled as a whole by one
speed; gaps between arrivals are never squeezed on their own. If the machine is too slow to keep the schedule, the lag
of every send is on record, and the reader of the report can refuse the run.

    workload    what to send
    exchange    one HTTP connection, timed
    generator   the schedule
    report      the document that is written
"""
