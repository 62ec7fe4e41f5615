"""What could be chosen: the demand of each route, and the self-hosted classes and APIs that could serve it."""
