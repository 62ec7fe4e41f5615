"""How every AWS resource of the program meets the bill: by the price of a cost line, or free for a stated reason.

A resource of a type that stands in neither table is one that nobody has priced; a test registers every worked lock and
refuses it.
"""

from __future__ import annotations

from collections.abc import Mapping

BILLED: Mapping[str, str] = {
    "aws:cloudwatch/logGroup:LogGroup": "logs-ingest",
    "aws:ec2/eip:Eip": "public-ipv4",
    "aws:ec2/natGateway:NatGateway": "nat-gateway",
    "aws:ecr/repository:Repository": "ecr-storage",
    "aws:eks/cluster:Cluster": "eks-control-plane",
    "aws:kms/key:Key": "kms-key",
    "aws:lb/loadBalancer:LoadBalancer": "nlb",
    "aws:s3/bucket:Bucket": "s3-storage",
    "aws:secretsmanager/secret:Secret": "secret",
    # Machines are billed by their own price, and their disks beside them.
    "aws:eks/nodeGroup:NodeGroup": "ebs-gp3-storage",
}
"""Type → the platform price that it is billed at (the last part of the price's key)."""

FREE: Mapping[str, str] = {
    "aws:budgets/budget:Budget": "AWS bills budgets that act, and this one only tells",
    "aws:ec2/flowLog:FlowLog": "its records are billed as logs",
    "aws:ec2/internetGateway:InternetGateway": "AWS bills traffic through it and not the gateway",
    "aws:ec2/launchTemplate:LaunchTemplate": "a template; its instances are billed",
    "aws:ec2/route:Route": "routing is free",
    "aws:ec2/routeTable:RouteTable": "routing is free",
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "routing is free",
    "aws:ec2/subnet:Subnet": "networks are free",
    "aws:ec2/vpc:Vpc": "networks are free",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "gateway endpoints (S3) are free; interface endpoints would not be",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": "a setting of the repository",
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": "a setting of the registry; what it keeps is billed",
    "aws:eks/accessEntry:AccessEntry": "permissions are free",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "permissions are free",
    "aws:eks/addon:Addon": "AWS bills what an add-on uses, and these use the system nodes",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "permissions are free",
    "aws:iam/role:Role": "permissions are free",
    "aws:iam/rolePolicy:RolePolicy": "permissions are free",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "permissions are free",
    "aws:acm/certificate:Certificate": "public certificates are free",
    "aws:acm/certificateValidation:CertificateValidation": "a wait for the certificate, no resource",
    "aws:autoscaling/attachment:Attachment": "a setting of the target group",
    "aws:autoscaling/schedule:Schedule": "a setting of the Auto Scaling group; AWS bills the machines that it starts",
    "aws:ec2/securityGroup:SecurityGroup": "security groups are free",
    "aws:lb/listener:Listener": "billed with its load balancer",
    "aws:lb/targetGroup:TargetGroup": "billed with its load balancer",
    "aws:route53/record:Record": "the zone is billed to whoever owns it; answers to an alias are free",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "security groups are free",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "security groups are free",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "a setting of the bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "a setting of the bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a setting of the bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "a setting of the bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "a setting of the bucket; replaced objects end after some days",
}
"""Type → the reason why it is free. What moves through these resources (transfer, requests) is not planned yet and not
billed here."""
