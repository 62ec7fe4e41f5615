"""Certificates that are asked for, and the records of hosted zones that prove them and lead to a load balancer.

A certificate is issued when the record that AWS names for it stands in a zone, and not before. Zones belong to the
account and not to a program (existing.py).
"""

from __future__ import annotations

from typing import Any

from twin.aws.account import Account, AwsError
from twin.aws.existing import zone_name
from twin.aws.kinds import CreatedResource, ResourceKind, UpdatedResource, paths
from twin.provider.contract import ResourceState
from twin.provider.wire import Properties


def _create_certificate(aws: Account, inputs: Properties) -> CreatedResource:
    arn = aws.call(
        "acm",
        "RequestCertificate",
        DomainName=inputs["domainName"],
        ValidationMethod=inputs.get("validationMethod", "DNS"),
        SubjectAlternativeNames=inputs.get("subjectAlternativeNames"),
    )["CertificateArn"]
    options = aws.call("acm", "DescribeCertificate", CertificateArn=arn)["Certificate"]["DomainValidationOptions"]
    return CreatedResource(
        arn,
        {
            "arn": arn,
            "status": "PENDING_VALIDATION",
            "subjectAlternativeNames": inputs.get("subjectAlternativeNames") or [inputs["domainName"]],
            "domainValidationOptions": [
                {
                    "domainName": option["DomainName"],
                    "resourceRecordName": option["ResourceRecord"]["Name"],
                    "resourceRecordType": option["ResourceRecord"]["Type"],
                    "resourceRecordValue": option["ResourceRecord"]["Value"],
                }
                for option in options
            ],
        },
    )


def _delete_certificate(aws: Account, old: ResourceState) -> None:
    for listener in aws.state.find("aws:lb/listener:Listener", certificateArn=old.id):
        message = f"Certificate {old.id} in account {aws.id} is in use ({listener.name})."
        raise AwsError("acm", "DeleteCertificate", "ResourceInUseException", message)
    aws.call("acm", "DeleteCertificate", CertificateArn=old.id)


def _await_certificate(aws: Account, inputs: Properties) -> CreatedResource:
    """Issue the certificate if the records that prove it are there; at AWS this waits for them, an hour at most."""
    arn = inputs["certificateArn"]
    (certificate,) = aws.state.find("aws:acm/certificate:Certificate", arn=arn)
    for option in certificate.outputs["domainValidationOptions"]:
        name = option["resourceRecordName"].rstrip(".")
        proven = any(
            option["resourceRecordValue"] in (record.outputs.get("records") or ())
            for record in aws.state.find("aws:route53/record:Record", fqdn=name)
        )
        if not proven:
            message = f"waiting for the certificate {arn}: no zone has the record {name} that proves it"
            raise AwsError("acm", "DescribeCertificate", "PENDING_VALIDATION", message)
    certificate.outputs["status"] = "ISSUED"
    return CreatedResource(arn, {})


def require_issued(aws: Account, operation: str, arn: str) -> bool:
    """Say whether a certificate was asked for by a program. Raises `AwsError` if it is not issued yet."""
    for certificate in aws.state.find("aws:acm/certificate:Certificate", arn=arn):
        if certificate.outputs["status"] != "ISSUED":
            message = f"The certificate '{arn}' must have a fully-qualified domain name and be issued"
            raise AwsError("elbv2", operation, "UnsupportedCertificate", message)
        return True
    return False


def _change(aws: Account, action: str, inputs: Properties) -> None:
    record: dict[str, Any] = {"Name": inputs["name"], "Type": inputs["type"]}
    if inputs.get("aliases"):
        (alias,) = inputs["aliases"]
        record["AliasTarget"] = {
            "DNSName": alias["name"],
            "HostedZoneId": alias["zoneId"],
            "EvaluateTargetHealth": str(alias["evaluateTargetHealth"]).lower() == "true",
        }
    else:
        record["TTL"] = int(inputs["ttl"])
        record["ResourceRecords"] = [{"Value": value} for value in inputs["records"]]
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    aws.call("route53", "ChangeResourceRecordSets", HostedZoneId=inputs["zoneId"], ChangeBatch=batch)


def _create_record(aws: Account, inputs: Properties) -> CreatedResource:
    zone = zone_name(aws, inputs["zoneId"])
    name = str(inputs["name"]).rstrip(".")
    if name != zone and not name.endswith(f".{zone}"):
        message = f"[RRSet with DNS name {name}. is not permitted in zone {zone}.]"
        raise AwsError("route53", "ChangeResourceRecordSets", "InvalidChangeBatch", message)
    taken = aws.state.find("aws:route53/record:Record", fqdn=name, type=inputs["type"], zoneId=inputs["zoneId"])
    if taken and str(inputs.get("allowOverwrite", False)).lower() != "true":
        message = (
            f"[Tried to create resource record set [name='{name}.', type='{inputs['type']}'] but it already exists]"
        )
        raise AwsError("route53", "ChangeResourceRecordSets", "InvalidChangeBatch", message)
    _change(aws, "UPSERT" if taken else "CREATE", inputs)
    return CreatedResource(f"{inputs['zoneId']}_{name}_{inputs['type']}", {"fqdn": name})


def _update_record(aws: Account, old: ResourceState, inputs: Properties) -> UpdatedResource:
    _change(aws, "UPSERT", inputs)
    return UpdatedResource({})


KINDS = (
    ResourceKind(
        "aws:acm/certificate:Certificate",
        create=_create_certificate,
        delete=_delete_certificate,
        replace_on=paths("domainName subjectAlternativeNames validationMethod keyAlgorithm region"),
        unordered=paths("subjectAlternativeNames"),
        defaults={"keyAlgorithm": "RSA_2048", "type": "AMAZON_ISSUED"},
    ),
    ResourceKind(
        "aws:acm/certificateValidation:CertificateValidation",
        create=_await_certificate,
        update=None,
        delete=lambda aws, old: None,
        unordered=paths("validationRecordFqdns"),
    ),
    ResourceKind(
        "aws:route53/record:Record",
        create=_create_record,
        update=_update_record,
        delete=lambda aws, old: _change(aws, "DELETE", old.inputs),
        replace_on=paths("zoneId name type setIdentifier"),
        unordered=paths("records"),
    ),
)
