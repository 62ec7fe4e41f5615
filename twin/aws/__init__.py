"""The twin of the Pulumi AWS provider and of the AWS behind it, for rehearsals and tests without an account.

The real engine talks to it as to the real provider. Programs must use the properties of the installed `pulumi_aws`.
What they ask for goes through moto, or, where moto has no such call, through a typed store that botocore's parameter
validation guards. So a wrong subnet, role or policy fails here as it fails at AWS. State lives in one folder, named by
the environment variable `SPILLWAY_TWIN_AWS`, and survives between commands.

    serve         the executable that the engine starts
    provider      the engine's questions, answered for every type alike
    registry      which resource types and functions there are
    kinds         what one resource type is made of
    network, firewall, identity, storage, launch, eks_cluster, eks_nodes, balancing, names, budgets, scheduled_actions
                  the resource types, a module per family of AWS's own documentation
    functions     `get_...` functions; network_functions those about networks
    control_planes which control plane stands for which EKS cluster
    reachability  whom security groups admit, and which machines a load balancer calls
    instances     how many machines a node group gets, and the nodes that they become
    machines      which quota an instance type counts against, and which zones offer it
    account       one call to AWS's API, with AWS's errors
    eks_calls     the EKS calls that moto lacks
    world         one operation: read the latest state, write the next
    moto_state    moto's state, loaded and saved
    store         the folder: records, snapshot, lock
    existing      what people put into the account by hand
    faults        what is made to go wrong on request
    drift         a change behind Pulumi's back
    clock         the week that a person moves, and the machines that scheduled actions want then
    pace          how long AWS takes, whoever waits
    releases      which node images and add-ons EKS recommends on a day
    tagged        what the account holds, found by its tags

Two things are not imitated: money, and the permissions of the caller.
"""
