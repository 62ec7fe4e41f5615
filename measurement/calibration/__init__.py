"""A team's own benchmark runs: judged, turned into a calibration, and the next runs that would tell most."""
