"""What every imitated Pulumi provider shares: the protocol of the real engine, spoken by a few small values.

The real engine starts an executable, reads one port from its output and then speaks gRPC with it. This package turns
that conversation into calls on an `ImitatedProvider` (contract.py) that sees plain Python values only. So the twins of
AWS and of Kubernetes hold nothing but what they imitate.

    wire        property values: unknowns, secrets, numbers
    arguments   which properties a resource type takes, read from the SDK that programs are written against
    difference  what changed between two sets of properties, and whether that replaces the resource
    contract    the questions that the engine asks a provider
    servicer    gRPC requests -> contract -> gRPC replies
    serve       start, announce the port, end with the engine

The package does not know any cloud, resource type or state.
"""
