"""Which instance types, platform items and traces the shipped catalog holds, of the many in the raw tables.

GPUs stand in `cards.py`, models in `chosen_models.py`, providers and hosted models in `chosen_apis.py`. All else is
copied from the raw tables by `build.py`.
"""

from __future__ import annotations

FAMILIES = ("g4dn", "g5", "g6", "g6e", "g7e", "p4d", "p4de", "p5", "p5en", "p6-b200")
REGIONS = ("us-east-1", "us-west-2")

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

AZURE_LICENCE = "CC-BY-4.0"
AZURE_SOURCE = (
    "Azure LLM inference trace 2023, Azure/AzurePublicDataset@b469a113 data/{file}; "
    "Patel et al., Splitwise: Efficient Generative LLM Inference Using Phase Splitting, ISCA 2024"
)
TRACES = {"azure-code-2023": "AzureLLMInferenceTrace_code.csv", "azure-conv-2023": "AzureLLMInferenceTrace_conv.csv"}
