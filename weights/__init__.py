"""Spillway's copy of weights fills the model bucket: one revision of one repository of Hugging Face, file by file.

It runs as a Kubernetes Job before the engines start, which have no way to the Internet. Nothing is written to a disk:
each file passes through memory in parts. What is copied is proven twice, by the Hub's own digests and by a manifest
that is written last. A bucket that holds the manifest and the files that it names is left alone, so that a second run
asks the Hub nothing.

    selection   which files of a repository engines need
    manifest    what was copied, as a value and as JSON
    hub         the two questions that are asked of the Hub: which files there are, and what one of them holds
    amazon      the bucket, and the secret with the token
    copying     one revision, from the Hub into the bucket

`selection` and `manifest` are pure.
"""
