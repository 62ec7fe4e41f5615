"""What whoever deploys must be allowed to do at AWS, by type of resource: to make it, read it, change it and remove it.

The actions are those of the Pulumi AWS provider, whose reads ask for more than a resource needs. A test holds each row
to AWS's own list of actions, to what CloudFormation needs for the same kind, and to the calls that a rehearsed life
makes. A type without a row is one that the deploy role could not make; a test registers every worked lock and finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_TAGS = "CreateTags DeleteTags"
_ROWS: Mapping[str, Mapping[str, str]] = {
    "aws:acm/certificate:Certificate": {
        "acm": "RequestCertificate DescribeCertificate UpdateCertificateOptions DeleteCertificate "
        "ListTagsForCertificate AddTagsToCertificate RemoveTagsFromCertificate"
    },
    "aws:acm/certificateValidation:CertificateValidation": {"acm": "DescribeCertificate"},
    "aws:autoscaling/attachment:Attachment": {
        "autoscaling": "AttachLoadBalancerTargetGroups DetachLoadBalancerTargetGroups DescribeAutoScalingGroups"
    },
    "aws:autoscaling/schedule:Schedule": {
        "autoscaling": "PutScheduledUpdateGroupAction DeleteScheduledAction DescribeScheduledActions"
    },
    "aws:budgets/budget:Budget": {"budgets": "ModifyBudget ViewBudget ListTagsForResource TagResource UntagResource"},
    "aws:cloudwatch/logGroup:LogGroup": {
        "logs": "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy DescribeLogGroups "
        "ListTagsForResource TagResource UntagResource"
    },
    "aws:ec2/eip:Eip": {
        "ec2": "AllocateAddress ReleaseAddress DisassociateAddress DescribeAddresses DescribeAddressesAttribute "
        f"{_TAGS}"
    },
    "aws:ec2/flowLog:FlowLog": {
        "ec2": f"CreateFlowLogs DeleteFlowLogs DescribeFlowLogs {_TAGS}",
        "logs": "CreateLogDelivery DeleteLogDelivery",
        "iam": "PassRole",
    },
    "aws:ec2/internetGateway:InternetGateway": {
        "ec2": "CreateInternetGateway AttachInternetGateway DetachInternetGateway DeleteInternetGateway "
        f"DescribeInternetGateways {_TAGS}"
    },
    "aws:ec2/launchTemplate:LaunchTemplate": {
        "ec2": "CreateLaunchTemplate CreateLaunchTemplateVersion ModifyLaunchTemplate DeleteLaunchTemplate "
        f"DescribeLaunchTemplates DescribeLaunchTemplateVersions {_TAGS}"
    },
    "aws:ec2/natGateway:NatGateway": {"ec2": f"CreateNatGateway DeleteNatGateway DescribeNatGateways {_TAGS}"},
    "aws:ec2/route:Route": {"ec2": "CreateRoute ReplaceRoute DeleteRoute DescribeRouteTables"},
    "aws:ec2/routeTable:RouteTable": {
        "ec2": f"CreateRouteTable DeleteRouteTable DisassociateRouteTable DescribeRouteTables {_TAGS}"
    },
    "aws:ec2/routeTableAssociation:RouteTableAssociation": {
        "ec2": "AssociateRouteTable ReplaceRouteTableAssociation DisassociateRouteTable DescribeRouteTables"
    },
    "aws:ec2/securityGroup:SecurityGroup": {
        "ec2": "CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress "
        "RevokeSecurityGroupEgress RevokeSecurityGroupIngress DescribeSecurityGroups DescribeNetworkInterfaces "
        f"{_TAGS}"
    },
    "aws:ec2/subnet:Subnet": {
        "ec2": f"CreateSubnet DeleteSubnet ModifySubnetAttribute DescribeSubnets DescribeNetworkInterfaces {_TAGS}"
    },
    "aws:ec2/vpc:Vpc": {
        "ec2": "CreateVpc DeleteVpc ModifyVpcAttribute DescribeVpcs DescribeVpcAttribute DescribeNetworkAcls "
        f"DescribeRouteTables DescribeSecurityGroups {_TAGS}"
    },
    "aws:ec2/vpcEndpoint:VpcEndpoint": {
        "ec2": "CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints DescribeVpcEndpoints DescribePrefixLists "
        f"DescribeManagedPrefixLists {_TAGS}"
    },
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": {"ecr": "PutLifecyclePolicy GetLifecyclePolicy DeleteLifecyclePolicy"},
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": {
        "ecr": "CreatePullThroughCacheRule UpdatePullThroughCacheRule DeletePullThroughCacheRule "
        "DescribePullThroughCacheRules",
        "iam": "CreateServiceLinkedRole",
    },
    "aws:ecr/repository:Repository": {
        "ecr": "CreateRepository DeleteRepository DescribeRepositories PutImageScanningConfiguration "
        "PutImageTagMutability ListTagsForResource TagResource UntagResource"
    },
    "aws:eks/accessEntry:AccessEntry": {
        "eks": "CreateAccessEntry UpdateAccessEntry DeleteAccessEntry DescribeAccessEntry TagResource UntagResource"
    },
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {
        "eks": "AssociateAccessPolicy DisassociateAccessPolicy ListAssociatedAccessPolicies"
    },
    "aws:eks/addon:Addon": {
        "eks": "CreateAddon UpdateAddon DeleteAddon DescribeAddon DescribeAddonVersions DescribeUpdate "
        "CreatePodIdentityAssociation "
        "UpdatePodIdentityAssociation DeletePodIdentityAssociation DescribePodIdentityAssociation TagResource "
        "UntagResource",
        "iam": "PassRole GetRole",
    },
    "aws:eks/cluster:Cluster": {
        "eks": "CreateCluster UpdateClusterConfig UpdateClusterVersion DeleteCluster DescribeCluster DescribeUpdate "
        "TagResource UntagResource",
        "ec2": "DescribeSubnets DescribeVpcs DescribeSecurityGroups",
        "iam": "PassRole GetRole ListAttachedRolePolicies CreateServiceLinkedRole",
        "kms": "DescribeKey CreateGrant",
    },
    "aws:eks/nodeGroup:NodeGroup": {
        "eks": "CreateNodegroup UpdateNodegroupConfig UpdateNodegroupVersion DeleteNodegroup DescribeNodegroup "
        "DescribeUpdate TagResource UntagResource",
        "ec2": "RunInstances DescribeSubnets DescribeVpcs DescribeSecurityGroups DescribeRouteTables "
        f"DescribeLaunchTemplates DescribeLaunchTemplateVersions DescribeInstanceTypes {_TAGS}",
        "iam": "PassRole GetRole ListAttachedRolePolicies CreateServiceLinkedRole",
    },
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": {
        "eks": "CreatePodIdentityAssociation UpdatePodIdentityAssociation DeletePodIdentityAssociation "
        "DescribePodIdentityAssociation TagResource UntagResource",
        "iam": "PassRole GetRole",
    },
    "aws:iam/role:Role": {
        "iam": "CreateRole DeleteRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy "
        "PutRolePermissionsBoundary TagRole UntagRole ListRolePolicies ListAttachedRolePolicies "
        "ListInstanceProfilesForRole"
    },
    "aws:iam/rolePolicy:RolePolicy": {"iam": "PutRolePolicy DeleteRolePolicy GetRolePolicy"},
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {
        "iam": "AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies"
    },
    "aws:kms/key:Key": {
        "kms": "CreateKey DescribeKey EnableKeyRotation DisableKeyRotation GetKeyRotationStatus GetKeyPolicy "
        "PutKeyPolicy UpdateKeyDescription ListResourceTags ScheduleKeyDeletion TagResource UntagResource"
    },
    "aws:lb/listener:Listener": {
        "elasticloadbalancing": "CreateListener ModifyListener DeleteListener DescribeListeners "
        "DescribeListenerAttributes ModifyListenerAttributes DescribeTags AddTags RemoveTags"
    },
    "aws:lb/loadBalancer:LoadBalancer": {
        "elasticloadbalancing": "CreateLoadBalancer DeleteLoadBalancer ModifyLoadBalancerAttributes SetIpAddressType "
        "SetSecurityGroups SetSubnets DescribeLoadBalancers DescribeLoadBalancerAttributes "
        "DescribeCapacityReservation DescribeTags AddTags RemoveTags",
        "ec2": "DescribeAccountAttributes DescribeInternetGateways DescribeNetworkInterfaces DescribeSecurityGroups "
        "DescribeSubnets DescribeVpcs",
        "iam": "CreateServiceLinkedRole",
    },
    "aws:lb/targetGroup:TargetGroup": {
        "elasticloadbalancing": "CreateTargetGroup DeleteTargetGroup ModifyTargetGroup ModifyTargetGroupAttributes "
        "DescribeTargetGroups DescribeTargetGroupAttributes DescribeTags AddTags RemoveTags"
    },
    "aws:route53/record:Record": {"route53": "GetHostedZone ListResourceRecordSets ChangeResourceRecordSets GetChange"},
    "aws:s3/bucket:Bucket": {
        "s3": "CreateBucket DeleteBucket DeleteObject DeleteObjectVersion ListBucket ListBucketVersions "
        "GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLogging GetBucketObjectLockConfiguration "
        "GetBucketPolicy GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite "
        "GetEncryptionConfiguration GetLifecycleConfiguration GetReplicationConfiguration PutBucketTagging "
        "ListTagsForResource TagResource UntagResource"
    },
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {
        "s3": "GetLifecycleConfiguration PutLifecycleConfiguration"
    },
    "aws:s3/bucketPolicy:BucketPolicy": {"s3": "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy"},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {
        "s3": "GetBucketPublicAccessBlock PutBucketPublicAccessBlock"
    },
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {
        "s3": "GetEncryptionConfiguration PutEncryptionConfiguration"
    },
    "aws:s3/bucketVersioning:BucketVersioning": {"s3": "GetBucketVersioning PutBucketVersioning"},
    "aws:secretsmanager/secret:Secret": {
        "secretsmanager": "CreateSecret UpdateSecret DeleteSecret DescribeSecret GetResourcePolicy TagResource "
        "UntagResource"
    },
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
        "ec2": "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress ModifySecurityGroupRules "
        f"DescribeSecurityGroupRules {_TAGS}"
    },
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
        "ec2": "AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress ModifySecurityGroupRules "
        f"DescribeSecurityGroupRules {_TAGS}"
    },
}
_QUESTIONS: Mapping[str, str] = {
    "aws:acm/getCertificate:getCertificate": "acm:ListCertificates acm:DescribeCertificate acm:GetCertificate "
    "acm:ListTagsForCertificate",
    "aws:budgets/getBudget:getBudget": "budgets:ViewBudget budgets:ListTagsForResource",
    # Cloud Control asks as its caller for the two types below.
    "aws:cloudcontrol/getResource:getResource": "cloudformation:GetResource ec2:DescribeFlowLogs "
    "eks:DescribePodIdentityAssociation",
    "aws:cloudwatch/getLogGroup:getLogGroup": "logs:DescribeLogGroups logs:ListTagsForResource",
    "aws:ec2/getElasticIp:getElasticIp": "ec2:DescribeAddresses",
    "aws:ec2/getInternetGateway:getInternetGateway": "ec2:DescribeInternetGateways",
    "aws:ec2/getLaunchTemplate:getLaunchTemplate": "ec2:DescribeLaunchTemplates ec2:DescribeLaunchTemplateVersions",
    "aws:ec2/getNatGateway:getNatGateway": "ec2:DescribeNatGateways",
    "aws:ec2/getPrefixList:getPrefixList": "ec2:DescribePrefixLists",
    "aws:ec2/getRouteTable:getRouteTable": "ec2:DescribeRouteTables",
    "aws:ec2/getRouteTables:getRouteTables": "ec2:DescribeRouteTables",
    "aws:ec2/getSecurityGroup:getSecurityGroup": "ec2:DescribeSecurityGroups",
    "aws:ec2/getSubnet:getSubnet": "ec2:DescribeSubnets",
    "aws:ec2/getSubnets:getSubnets": "ec2:DescribeSubnets",
    "aws:ec2/getVpc:getVpc": "ec2:DescribeVpcs ec2:DescribeVpcAttribute ec2:DescribeRouteTables",
    "aws:ec2/getVpcEndpoint:getVpcEndpoint": "ec2:DescribeVpcEndpoints ec2:DescribePrefixLists",
    "aws:ec2/getVpcs:getVpcs": "ec2:DescribeVpcs",
    "aws:ecr/getPullThroughCacheRule:getPullThroughCacheRule": "ecr:DescribePullThroughCacheRules",
    "aws:ecr/getRepository:getRepository": "ecr:DescribeRepositories ecr:DescribeImages ecr:ListTagsForResource",
    "aws:eks/getAccessEntry:getAccessEntry": "eks:DescribeAccessEntry",
    "aws:eks/getAddon:getAddon": "eks:DescribeAddon",
    "aws:eks/getAddonVersion:getAddonVersion": "eks:DescribeAddonVersions",
    "aws:eks/getCluster:getCluster": "eks:DescribeCluster",
    "aws:eks/getNodeGroup:getNodeGroup": "eks:DescribeNodegroup",
    "aws:iam/getRole:getRole": "iam:GetRole",
    "aws:iam/getRoles:getRoles": "iam:ListRoles",
    "aws:kms/getKey:getKey": "kms:DescribeKey",
    "aws:lb/getListener:getListener": "elasticloadbalancing:DescribeListeners "
    "elasticloadbalancing:DescribeListenerAttributes elasticloadbalancing:DescribeTags",
    "aws:lb/getLoadBalancer:getLoadBalancer": "elasticloadbalancing:DescribeLoadBalancers "
    "elasticloadbalancing:DescribeLoadBalancerAttributes elasticloadbalancing:DescribeTags",
    "aws:lb/getTargetGroup:getTargetGroup": "elasticloadbalancing:DescribeTargetGroups "
    "elasticloadbalancing:DescribeTargetGroupAttributes elasticloadbalancing:DescribeTags",
    "aws:resourcegroupstaggingapi/getResources:getResources": "tag:GetResources",
    "aws:route53/getRecords:getRecords": "route53:ListResourceRecordSets",
    "aws:s3/getBucket:getBucket": "s3:ListBucket",
    "aws:secretsmanager/getSecret:getSecret": "secretsmanager:DescribeSecret secretsmanager:GetResourcePolicy",
    "aws:secretsmanager/getSecretVersions:getSecretVersions": "secretsmanager:ListSecretVersionIds",
    "aws:ssm/getParameter:getParameter": "ssm:GetParameter",
    "aws:vpc/getSecurityGroupRule:getSecurityGroupRule": "ec2:DescribeSecurityGroupRules",
    "aws:vpc/getSecurityGroupRules:getSecurityGroupRules": "ec2:DescribeSecurityGroupRules",
}
PERMISSIONS: Mapping[str, frozenset[str]] = {
    kind: frozenset(f"{service}:{action}" for service, actions in row.items() for action in actions.split())
    for kind, row in _ROWS.items()
}
"""Type → the actions that it needs, such as `eks:CreateCluster`."""
QUESTIONS: Mapping[str, frozenset[str]] = {token: frozenset(actions.split()) for token, actions in _QUESTIONS.items()}
"""What the program asks AWS before it registers anything → the actions that the answer needs."""

BY_COMMAND = frozenset({"ec2:DescribeReservedInstances"})
"""Actions behind what the program asks with the AWS CLI."""


def needed_by(kinds: Iterable[str]) -> frozenset[str]:
    """Return the actions that resources of these types need, and the program's questions.

    Raises KeyError for a type without a row.
    """
    return BY_COMMAND.union(*QUESTIONS.values(), *(PERMISSIONS[kind] for kind in kinds))
