"""The bucket of model weights: encrypted, versioned, closed to the public, readable by prefix.

Weights are copies that can be made again, so an unprotected environment's bucket goes with its content. A protected
one's must be emptied by hand first.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.identities import encrypted_transport_only

STALE_UPLOAD_DAYS = 7
"""Time after which the parts of an upload that was never completed are removed, days."""


@dataclass(frozen=True)
class ModelStoreArgs:
    """Arguments of the model store.

    protected: whether the bucket refuses to go while it holds weights.
    old_version_days: time for which a replaced object is kept, days.
    """

    protected: bool
    old_version_days: int


class ModelStore(pulumi.ComponentResource):
    """The store's outputs are `bucket` (its name) and `arn`. They are known once the bucket is closed to the public."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("spillway:aws:ModelStore", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(f"{name}-models", force_destroy=not args.protected, opts=own)
        aws.s3.BucketVersioning(
            f"{name}-models",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=own,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-models",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    )
                )
            ],
            opts=own,
        )
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-models",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=own,
        )
        aws.s3.BucketPolicy(
            f"{name}-models",
            bucket=bucket.id,
            policy=bucket.arn.apply(encrypted_transport_only),
            # S3 refuses a policy that arrives while the block is being set.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-models",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="old-versions-and-stale-uploads",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=args.old_version_days
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=STALE_UPLOAD_DAYS
                    ),
                )
            ],
            opts=own,
        )
        self.bucket, self.arn = bucket.bucket, bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})
