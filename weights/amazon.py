"""The model bucket below one prefix, and the secret with the Hub's token. This is all of AWS that a copy knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from weights.manifest import StoredObject

CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=16)

_FILL = "put a token of Hugging Face with read access into it, or name another (spillway:hubToken is {name} now)"


class StoreError(Exception):
    """AWS did not do what was asked; the message is its own."""


class MissingSecret(Exception):
    """There is no secret of this name, or it holds no text; time does not mend it."""


class Bucket:
    """The objects of a bucket below a prefix, by the rest of their names."""

    def __init__(self, bucket: str, prefix: str, client: Any = None) -> None:
        self._client = client or boto3.client("s3", config=CONFIG)
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/"

    def held(self) -> dict[str, StoredObject]:
        """Return what lies below the prefix. Raises StoreError."""
        with _telling():
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            rows = [row for page in pages for row in page.get("Contents", ())]
        return {
            row["Key"].removeprefix(self._prefix): StoredObject(row["Size"], row["ETag"].strip('"')) for row in rows
        }

    def read(self, name: str) -> bytes | None:
        """Return a small object's content; None when there is none. Raises StoreError."""
        with _telling():
            try:
                content: bytes = self._client.get_object(**self._place(name))["Body"].read()
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                    return None
                raise
            return content

    def digest(self, name: str) -> str | None:
        """Return the digest that was noted with an object when it was written; None without one. Raises StoreError."""
        with _telling():
            noted: str | None = self._client.head_object(**self._place(name))["Metadata"].get("sha256")
        return noted

    def put(self, name: str, content: bytes, sha256: str) -> str:
        """Write a small object and return its mark. Raises StoreError."""
        with _telling():
            told = self._client.put_object(**self._place(name), Body=content, Metadata={"sha256": sha256})
        return str(told["ETag"]).strip('"')

    @contextmanager
    def upload(self, name: str, sha256: str) -> Iterator[Upload]:
        """Write an object in parts. It comes to be when `Upload.complete` is called, and leaves nothing otherwise.

        sha256: the digest that its content will have. Raises StoreError.
        """
        place = self._place(name)
        with _telling():
            started = self._client.create_multipart_upload(**place, Metadata={"sha256": sha256})
        upload = Upload(self._client, {**place, "UploadId": started["UploadId"]})
        try:
            yield upload
        finally:
            if not upload.completed:
                with _telling():
                    self._client.abort_multipart_upload(**place, UploadId=started["UploadId"])

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + name}


class Upload:
    """An upload in parts, which S3 checks one by one."""

    def __init__(self, client: Any, place: dict[str, str]) -> None:
        self._client = client
        self._place = place
        self._parts: list[dict[str, Any]] = []
        self.completed = False

    def add(self, part: bytes) -> None:
        """Send the next part. Raises StoreError."""
        number = len(self._parts) + 1
        with _telling():
            told = self._client.upload_part(**self._place, PartNumber=number, Body=part)
        checksums = {key: value for key, value in told.items() if key.startswith("Checksum") and key != "ChecksumType"}
        self._parts.append({"PartNumber": number, "ETag": told["ETag"], **checksums})

    def complete(self) -> str:
        """Make the object of its parts, and return its mark. Raises StoreError."""
        with _telling():
            told = self._client.complete_multipart_upload(**self._place, MultipartUpload={"Parts": self._parts})
        self.completed = True
        return str(told["ETag"]).strip('"')


def secret(name: str, client: Any = None) -> str:
    """Return the text of a secret of Secrets Manager. Raises MissingSecret, or StoreError where another attempt helps:
    a role that was made just now is refused for a moment."""
    with _telling():
        manager = client or boto3.client("secretsmanager", config=CONFIG)
        try:
            text = str(manager.get_secret_value(SecretId=name).get("SecretString") or "").strip()
        except manager.exceptions.ResourceNotFoundException:
            raise MissingSecret(f"there is no secret {name} with a value: {_FILL.format(name=name)}") from None
    if not text:
        raise MissingSecret(f"secret {name} is empty: {_FILL.format(name=name)}")
    return text


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise StoreError(str(error)) from error
