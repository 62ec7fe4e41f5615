"""The twin of the Pulumi AWS provider and of the AWS behind it, for rehearsals and tests without an account.

The real engine talks to it as to the real provider. Programs must use the properties of the installed `pulumi_aws`;
what they ask for goes through moto (or, where moto has no such call, through a typed store with botocore's parameter
validation), so that a wrong subnet, role or policy fails here as it fails at AWS. State lives in one folder, named by
the environment variable `SPILLWAY_TWIN_AWS`, and survives between commands.

    provider      the engine's questions, answered for every type alike
    registry      which resource types and functions there are
    kinds         what one resource type is made of
    network, endpoints, firewall, identity, storage, balancing, budgets, launch, eks_cluster, eks_nodes
                  the resource types, a module per family of AWS's own documentation
    functions     `get_...` functions
    account       one call to AWS's API, with AWS's errors
    eks_calls     the EKS calls that moto lacks
    world         moto's state, loaded and saved
    store         the folder: records, snapshot, lock
    machines      instance types: vCPUs, quotas, zones
    faults        what is made to go wrong on request
    drift         a change behind Pulumi's back

Not imitated: time (operations end at once unless a fault slows them), money, permissions of the caller.
"""
