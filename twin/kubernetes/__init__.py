"""The twin of the Pulumi Kubernetes provider: real Helm and a real API server, only the provider itself imitated.

    serve       the executable that the engine starts
    provider    the engine's questions, answered for releases and plain objects
    release     what a `helm.sh/v3:Release` asks of Helm
    helm        the Helm executable: install, upgrade, uninstall, status
    objects     plain objects by server-side apply
    api_server  one HTTPS call to the API server, and what its paths are
    readiness   when an object counts as ready
    immutable   which fields of which kinds cannot change in place

Helm 3.20.2 is the version that the real provider embeds. Not imitated: the provider's own components (`yaml`,
`kustomize`, Helm 4 charts), patches of objects that others own, and rendering to files.
"""
