"""Keys, log groups, buckets and secrets: where things are kept, and under whose lock."""

from __future__ import annotations

from collections.abc import Callable

from twin.aws.account import Account, AwsError
from twin.aws.identity import document
from twin.aws.kinds import CreatedResource, GeneratedName, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


def _create_key(aws: Account, inputs: Properties) -> CreatedResource:
    policy = inputs.get("policy")
    key = aws.call(
        "kms",
        "CreateKey",
        Description=inputs.get("description"),
        KeyUsage=inputs.get("keyUsage"),
        KeySpec=inputs.get("customerMasterKeySpec"),
        Policy=document(policy) if policy else None,
        MultiRegion=inputs.get("multiRegion"),
    )["KeyMetadata"]
    _set_rotation(aws, key["KeyId"], inputs)
    return CreatedResource(key["KeyId"], {"arn": key["Arn"], "keyId": key["KeyId"]})


def _set_rotation(aws: Account, key: str, inputs: Properties) -> None:
    rotates = str(inputs.get("enableKeyRotation", False)).lower() == "true"
    aws.call("kms", "EnableKeyRotation" if rotates else "DisableKeyRotation", KeyId=key)


def _update_key(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _set_rotation(aws, old.id, inputs)
    if inputs.get("policy"):
        aws.call("kms", "PutKeyPolicy", KeyId=old.id, PolicyName="default", Policy=document(inputs["policy"]))
    return UpdatedResource({})


def _delete_key(aws: Account, old: ResourceState) -> None:
    # KMS only schedules the end of a key; the account keeps it, pending, and so does moto.
    days = int(old.inputs.get("deletionWindowInDays", 30))
    aws.call("kms", "ScheduleKeyDeletion", KeyId=old.id, PendingWindowInDays=days)


def _create_log_group(aws: Account, inputs: Properties) -> CreatedResource:
    name = inputs["name"]
    if inputs.get("kmsKeyId"):
        aws.call("kms", "DescribeKey", KeyId=inputs["kmsKeyId"])
    aws.call("logs", "CreateLogGroup", logGroupName=name, kmsKeyId=inputs.get("kmsKeyId"))
    _set_retention(aws, name, inputs)
    return CreatedResource(name, {"arn": aws.arn("logs", f"log-group:{name}")})


def _set_retention(aws: Account, name: str, inputs: Properties) -> None:
    days = int(inputs.get("retentionInDays") or 0)
    if days == 0:
        aws.call("logs", "DeleteRetentionPolicy", logGroupName=name)
        return
    if days not in _RETENTION_DAYS:
        message = f"retentionInDays must be one of {', '.join(map(str, sorted(_RETENTION_DAYS)))}, not {days}"
        raise AwsError("logs", "PutRetentionPolicy", "InvalidParameterException", message)
    aws.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=days)


_RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)


def _update_log_group(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _set_retention(aws, old.id, inputs)
    return UpdatedResource({})


def _delete_log_group(aws: Account, old: ResourceState) -> None:
    if str(old.inputs.get("skipDestroy", False)).lower() != "true":
        aws.call("logs", "DeleteLogGroup", logGroupName=old.id)


def _create_bucket(aws: Account, inputs: Properties) -> CreatedResource:
    name = inputs["bucket"]
    location = None if aws.region == "us-east-1" else {"LocationConstraint": aws.region}
    aws.call("s3", "CreateBucket", Bucket=name, CreateBucketConfiguration=location)
    return CreatedResource(
        name,
        {
            "arn": f"arn:aws:s3:::{name}",
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{name}.s3.{aws.region}.amazonaws.com",
            "bucketRegion": aws.region,
        },
    )


def _delete_bucket(aws: Account, old: ResourceState) -> None:
    if str(old.inputs.get("forceDestroy", False)).lower() == "true":
        for item in aws.call("s3", "ListObjectsV2", Bucket=old.id).get("Contents", ()):
            aws.call("s3", "DeleteObject", Bucket=old.id, Key=item["Key"])
    aws.call("s3", "DeleteBucket", Bucket=old.id)


def _bucket_setting(token: str, put: Callable[[Account, Properties], None], remove: str | None) -> ResourceKind:
    """Describe a setting of a bucket that is a resource of its own. `remove` is the operation that takes it away."""

    def create(aws: Account, inputs: Properties) -> CreatedResource:
        put(aws, inputs)
        return CreatedResource(inputs["bucket"], {})

    def update(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
        put(aws, inputs)
        return UpdatedResource({})

    def delete(aws: Account, old: ResourceState) -> None:
        if remove is not None:
            aws.call("s3", remove, Bucket=old.id)

    return ResourceKind(token, create=create, update=update, delete=delete, replace_on=paths("bucket region"))


def _put_versioning(aws: Account, inputs: Properties) -> None:
    configuration = inputs["versioningConfiguration"]
    request = aws.request("s3", "PutBucketVersioning", {"versioningConfiguration": configuration})
    aws.call("s3", "PutBucketVersioning", Bucket=inputs["bucket"], **request)


def _put_encryption(aws: Account, inputs: Properties) -> None:
    rules = []
    for rule in inputs["rules"]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("kmsMasterKeyId"):
            aws.call("kms", "DescribeKey", KeyId=default["kmsMasterKeyId"])
        applied = {"SSEAlgorithm": default.get("sseAlgorithm"), "KMSMasterKeyID": default.get("kmsMasterKeyId")}
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": {k: v for k, v in applied.items() if v},
                "BucketKeyEnabled": str(rule.get("bucketKeyEnabled", False)).lower() == "true",
            }
        )
    aws.call(
        "s3",
        "PutBucketEncryption",
        Bucket=inputs["bucket"],
        ServerSideEncryptionConfiguration={"Rules": rules},
    )


def _put_public_access_block(aws: Account, inputs: Properties) -> None:
    names = ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets")
    configuration = {name[0].upper() + name[1:]: str(inputs.get(name, False)).lower() == "true" for name in names}
    aws.call("s3", "PutPublicAccessBlock", Bucket=inputs["bucket"], PublicAccessBlockConfiguration=configuration)


def _put_policy(aws: Account, inputs: Properties) -> None:
    aws.call("s3", "PutBucketPolicy", Bucket=inputs["bucket"], Policy=document(inputs["policy"]))


def _put_lifecycle(aws: Account, inputs: Properties) -> None:
    request = aws.request(
        "s3", "PutBucketLifecycleConfiguration", {"lifecycleConfiguration": {"rules": inputs["rules"]}}
    )
    configuration = request["LifecycleConfiguration"]
    for rule in configuration["Rules"]:
        if "Filter" not in rule and "Prefix" not in rule:
            rule["Filter"] = {"Prefix": ""}
    aws.call(
        "s3",
        "PutBucketLifecycleConfiguration",
        Bucket=inputs["bucket"],
        LifecycleConfiguration=configuration,
    )


def _create_secret(aws: Account, inputs: Properties) -> CreatedResource:
    if inputs.get("kmsKeyId"):
        aws.call("kms", "DescribeKey", KeyId=inputs["kmsKeyId"])
    secret = aws.call(
        "secretsmanager",
        "CreateSecret",
        Name=inputs["name"],
        Description=inputs.get("description"),
        KmsKeyId=inputs.get("kmsKeyId"),
    )
    return CreatedResource(secret["ARN"], {"arn": secret["ARN"]})


def _delete_secret(aws: Account, old: ResourceState) -> None:
    days = int(old.inputs.get("recoveryWindowInDays", 30))
    window = {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": days}
    aws.call("secretsmanager", "DeleteSecret", SecretId=old.id, **window)


KINDS = (
    ResourceKind(
        "aws:kms/key:Key",
        create=_create_key,
        update=_update_key,
        delete=_delete_key,
        replace_on=paths("customerMasterKeySpec keyUsage multiRegion customKeyStoreId region"),
        defaults={
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
            "isEnabled": True,
            "multiRegion": False,
            "enableKeyRotation": False,
        },
    ),
    ResourceKind(
        "aws:cloudwatch/logGroup:LogGroup",
        create=_create_log_group,
        update=_update_log_group,
        delete=_delete_log_group,
        replace_on=paths("name namePrefix logGroupClass region"),
        defaults={"retentionInDays": 0, "logGroupClass": "STANDARD", "skipDestroy": False},
        generated_name=GeneratedName(longest=512),
    ),
    ResourceKind(
        "aws:s3/bucket:Bucket",
        create=_create_bucket,
        delete=_delete_bucket,
        replace_on=paths("bucket bucketPrefix objectLockEnabled region"),
        defaults={"forceDestroy": False, "objectLockEnabled": False},
        generated_name=GeneratedName(property="bucket", unless="bucketPrefix", longest=63, lower_case=True),
    ),
    _bucket_setting("aws:s3/bucketVersioning:BucketVersioning", _put_versioning, None),
    _bucket_setting(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        _put_encryption,
        "DeleteBucketEncryption",
    ),
    _bucket_setting(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", _put_lifecycle, "DeleteBucketLifecycle"
    ),
    _bucket_setting(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", _put_public_access_block, "DeletePublicAccessBlock"
    ),
    _bucket_setting("aws:s3/bucketPolicy:BucketPolicy", _put_policy, "DeleteBucketPolicy"),
    ResourceKind(
        "aws:secretsmanager/secret:Secret",
        create=_create_secret,
        delete=_delete_secret,
        replace_on=paths("name namePrefix region"),
        defaults={"recoveryWindowInDays": 30},
        generated_name=GeneratedName(longest=512),
    ),
)
