"""The Pulumi program: an environment's verified lock goes in, AWS and Kubernetes resources come out.

The program decides nothing: pools, nodes, prices and routes were decided when the lock was written. Pure modules
(`addressing`, `naming`, `preflight`, `sizing`, `values`, `identities`, `kubeconfig`, `images`) turn the lock into
arguments, and `billing` says what pays for each type of resource. Each component is a module that registers resources
(`network`, `cluster`, `node_group`, `model_store`, `platform_layer`, `serving`, `gateway_release`), and `program`
composes them. No module here is named like a top-level package, so that the program starts from any working folder.
"""
