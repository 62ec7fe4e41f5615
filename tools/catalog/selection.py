"""Which instance types, platform items and traces the shipped catalog holds, of the many in the raw tables.

GPUs stand in `cards.py`, models in `chosen_models.py`, providers and hosted models in `chosen_apis.py`. All else is
copied from the raw tables by `build.py`.
"""

from __future__ import annotations

FAMILIES = (
    *("g4dn", "g5", "g6", "g6e", "g6f", "g7e", "gr6", "gr6f"),
    *("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300"),
)
FIRST_FAMILIES = ("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5en", "p6-b200")
REGIONS = ("us-east-1", "us-west-2")
"""Families and regions of the first snapshot."""

PLATFORM = {  # raw item -> (key, unit)
    "cloudwatch_logs_ingest": ("logs-ingest", "GB"),
    "cloudwatch_logs_storage": ("logs-storage", "GB-month"),
    "cross_az_transfer": ("cross-az-transfer", "GB"),
    "ebs_gp3_iops": ("ebs-gp3-iops", "IOPS-month"),
    "ebs_gp3_storage": ("ebs-gp3-storage", "GB-month"),
    "ebs_gp3_throughput": ("ebs-gp3-throughput", "MiBps-month"),
    "ecr_storage": ("ecr-storage", "GB-month"),
    "eks_control_plane_standard": ("eks-control-plane", "hour"),
    "eks_control_plane_extended": ("eks-control-plane-extended", "hour"),
    "internet_egress_first_10TB": ("internet-egress", "GB"),
    "kms_key": ("kms-key", "month"),
    "kms_requests": ("kms-requests", "10k-requests"),
    "nat_gateway_data": ("nat-gateway-data", "GB"),
    "nat_gateway_hour": ("nat-gateway", "hour"),
    "nlb_hour": ("nlb", "hour"),
    "nlb_lcu_hour": ("nlb-lcu", "hour"),
    "public_ipv4_hour": ("public-ipv4", "hour"),
    "s3_get_1k": ("s3-get", "1k-requests"),
    "s3_put_1k": ("s3-put", "1k-requests"),
    "s3_standard": ("s3-storage", "GB-month"),
    "secrets_manager_api": ("secrets-api", "10k-requests"),
    "secrets_manager_secret": ("secret", "month"),
    "vpc_interface_endpoint_data": ("vpc-endpoint-data", "GB"),
    "vpc_interface_endpoint_hour": ("vpc-endpoint", "hour"),
}
SYSTEM_NODES = ("m6a.large", "m6a.xlarge", "m6a.2xlarge", "c7i.large", "c7i.xlarge", "c7i.2xlarge")

SYSTEM_NODES_BY_REGION = ("m6a.large", "m6i.large", "m7i.large", "m7a.large", "c7i.xlarge")
PLATFORM_BY_REGION = {  # item of the newer raw table -> (key, unit)
    "cloudwatch-logs-ingest-gb": ("logs-ingest", "GB"),
    "cross-az-gb": ("cross-az-transfer", "GB"),
    "ebs-gp3-gb-month": ("ebs-gp3-storage", "GB-month"),
    "ebs-gp3-iops-month": ("ebs-gp3-iops", "IOPS-month"),
    "ebs-gp3-throughput-mibps-month": ("ebs-gp3-throughput", "MiBps-month"),
    "eks-control-plane": ("eks-control-plane", "hour"),
    "eks-extended-support": ("eks-control-plane-extended", "hour"),
    "interface-endpoint-hour": ("vpc-endpoint", "hour"),
    "internet-egress-gb": ("internet-egress", "GB"),
    "kms-key-month": ("kms-key", "month"),
    "nat-gateway-gb": ("nat-gateway-data", "GB"),
    "nat-gateway-hour": ("nat-gateway", "hour"),
    "nlb-hour": ("nlb", "hour"),
    "public-ipv4-hour": ("public-ipv4", "hour"),
    "s3-standard-gb-month": ("s3-storage", "GB-month"),
}
READ_EARLIER = "read in 2025-04; unchanged wherever it was read again"

ZONES_FROM = {"source": "moto 5.2.5 ec2/resources/instance_type_offerings", "as_of": "2026-10-27"}
LOOKED_FOR = {"source": "moto 5.2.5 ec2/resources/instance_type_offerings has no such region", "as_of": "2026-10-27"}
WITHOUT_ZONES = "prices of its GPU machines are known, but not which of its zones sell them"
WITHOUT_EITHER = "neither prices nor zones of its GPU machines are known"
_NOTHING = "of which the catalog has neither prices nor zones"
OTHER_PARTITIONS = {
    **dict.fromkeys(("us-gov-east-1", "us-gov-west-1"), f"it is a region of AWS GovCloud (US), {_NOTHING}"),
    **dict.fromkeys(("cn-north-1", "cn-northwest-1"), f"it is a region of AWS China, {_NOTHING}"),
    "eusc-de-east-1": f"it is the AWS European Sovereign Cloud, {_NOTHING}",
}
"""Regions of which people ask and of which nothing was gathered, with what is missing."""

AZURE_LICENCE = "CC-BY-4.0"
AZURE_SOURCE = (
    "Azure LLM inference trace 2023, Azure/AzurePublicDataset@b469a113 data/{file}; "
    "Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA 2024"
)
TRACES = {"azure-code-2023": "AzureLLMInferenceTrace_code.csv", "azure-conv-2023": "AzureLLMInferenceTrace_conv.csv"}
