"""How each AWS type of the program is found again after a run that was killed while AWS made one.

A type that stands in no table is one of which nobody has thought; a test registers every variant and refuses it. The
types of `infra.presence.QUESTIONS` bear tags, are listed by them and then asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.presence import QUESTIONS

BY_TAGS = frozenset(QUESTIONS)

BY_QUESTION: Mapping[str, str] = {
    "aws:budgets/budget:Budget": "by its name, which holds the mark of the stack",
    "aws:ec2/route:Route": "in the route table that it stands in",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "in the route table of its subnet",
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": "by its prefix; the repositories below say whose it is",
    "aws:iam/role:Role": "by the beginning of its name, and then by its tags",
    "aws:route53/record:Record": "in the hosted zone, where it leads to the state's load balancer",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "by its tags, at EC2",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "by its tags, at EC2",
}
"""Type -> how it is asked for, beside the list by tags or in its place."""

AGAIN: Mapping[str, str] = {
    "aws:acm/certificateValidation:CertificateValidation": "a wait for the certificate, no resource",
    "aws:autoscaling/attachment:Attachment": "AWS takes the same attachment twice",
    "aws:autoscaling/schedule:Schedule": "it is put over the one of its name, which the program gives",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "it is put over the one that is there",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "AWS takes the same association twice",
    "aws:iam/rolePolicy:RolePolicy": "it is put over the one of its name, which the program gives",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "AWS takes the same attachment twice",
    "aws:route53/record:Record": "the record that proves a certificate may be put over itself",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "it is put over the one that is there",
    "aws:s3/bucketPolicy:BucketPolicy": "it is put over the one that is there",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "it is put over the one that is there",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "it is put over the one "
    "that is there",
    "aws:s3/bucketVersioning:BucketVersioning": "it is put over the one that is there",
}
"""Type -> why it does no harm to make it a second time."""
