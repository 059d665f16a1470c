"""A real S3 server on loopback, with one bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from handlers.bucket import Bucket
from handlers.settings import Settings

KEY_ID = "key-id-of-the-tests"
SECRET = "secret-of-the-tests"  # noqa: S105


@dataclass(frozen=True)
class LocalBucket:
    """The bucket, as its owner sees it."""

    url: str
    client: Any
    name: str = "recordings"

    def open(self, **settings: Any) -> Bucket:
        """Give the bucket as Parley sees it."""
        return opened(self.url, **{"bucket_name": self.name, **settings})

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"] for entry in listed]


def opened(url: str, **settings: Any) -> Bucket:
    """Give the bucket at an address."""
    variables = {
        "BUCKET_ENDPOINT_URL": url,
        "BUCKET_ACCESS_KEY_ID": KEY_ID,
        "BUCKET_SECRET_ACCESS_KEY": SECRET,
    }
    bucket = Bucket.from_settings(
        Settings.model_validate({"bucket_name": "recordings", **variables, **settings})
    )
    assert bucket is not None
    return bucket


@contextmanager
def local_bucket() -> Iterator[LocalBucket]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        local = LocalBucket(f"http://{host}:{port}", client)
        client.create_bucket(Bucket=local.name)
        yield local
    finally:
        s3_backends.reset()  # every server of a process keeps its objects in the same place
        server.stop()
