"""The plan and its parts as frozen values: what the lock holds. No decision is taken here."""
