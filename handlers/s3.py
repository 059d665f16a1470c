"""S3 as its library gives it, blocking: one bucket, its deadlines, retries and errors."""

import hashlib
import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from handlers.errors import BucketRefused, BucketUnreachable, StorageError
from handlers.settings import Settings, SettingsError

_CONNECT_SECONDS: Final = 5
_IDLE_SECONDS: Final = 20
_ATTEMPTS: Final = 8
"""Of each request. Botocore's pauses begin at 50 ms and double, so this bridges some seconds."""
_PART_BYTES: Final = 16 * 2**20
_LARGE_BYTES: Final = 4 * _PART_BYTES
"""What is larger is sent in parts."""

_AMAZON: Final = re.compile(
    r"s3[.-](?:dualstack\.)?(?P<region>[a-z]+(?:-[a-z]+)+-\d+)\.amazonaws\."
)
_HOSTS_FAULT: Final = frozenset({"RequestTimeout", "SlowDown", "TooManyRequests"})
"""Codes that ask for another try, whatever status they come with."""


@dataclass(frozen=True, slots=True)
class Object:
    """What was put into the bucket.

    Attributes:
        key: its name there, which cannot be guessed.
        bytes: its size.
        sha256: of its bytes, in hexadecimal.

    """

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where a bucket is, and what opens it."""

    name: str
    url: str
    region: str
    key_id: SecretStr
    secret: SecretStr

    @classmethod
    def from_settings(cls, settings: Settings, *, name: str) -> "Access":
        """Read it from the variables that RunPod's own SDK reads too.

        Raises:
            SettingsError: a variable is missing or cannot be; the message names it.

        """
        url, key_id, secret = settings.bucket_url, settings.bucket_key_id, settings.bucket_secret
        if not (url and key_id and secret):
            variables = {
                "BUCKET_ENDPOINT_URL": url,
                "BUCKET_ACCESS_KEY_ID": key_id,
                "BUCKET_SECRET_ACCESS_KEY": secret,
            }
            missing = ", ".join(variable for variable, value in variables.items() if not value)
            message = f"PARLEY_BUCKET_NAME needs what is not set: {missing}"
            raise SettingsError(message)
        address = urlsplit(url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            message = "BUCKET_ENDPOINT_URL: is no http(s) URL"
            raise SettingsError(message)
        # RunPod's documents show addresses that begin with the bucket's name
        host = address.netloc.removeprefix(f"{name}.")
        amazon = _AMAZON.search(host)
        named = settings.bucket_region
        region = amazon["region"] if amazon and named == "auto" else named
        root = address._replace(netloc=host, query="", fragment="").geturl()
        return cls(name=name, url=root, region=region, key_id=key_id, secret=secret)


class Upload:
    """One object on its way, which another thread can give up."""

    def __init__(self, content: bytes | Path, *, key: str, content_type: str) -> None:
        self._content = content
        self._key = key
        self._content_type = content_type
        self._given_up = False
        self._transfer: Any = None

    def give_up(self) -> None:
        """End it soon, in whatever state it is."""
        self._given_up = True
        if self._transfer is not None:
            self._transfer.cancel()

    def send(self, transfers: Any, *, bucket: str) -> Object:  # noqa: ANN401
        """Send it whole, or raise what the library raises."""
        stored = self._measured()
        source = self._content if isinstance(self._content, bytes) else str(self._content)
        self._transfer = transfers.upload(
            io.BytesIO(source) if isinstance(source, bytes) else source,
            bucket,
            self._key,
            extra_args={"ContentType": self._content_type},
        )
        if self._given_up:
            self._transfer.cancel()
        self._transfer.result()
        return stored

    def _measured(self) -> Object:
        if isinstance(self._content, bytes):
            digest = hashlib.sha256(self._content)
            return Object(self._key, len(self._content), digest.hexdigest())
        with self._content.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return Object(self._key, file.tell(), digest.hexdigest())


class Host:
    """The bucket's host. Its methods block, may be called from any thread, and raise StorageError.

    The library is loaded by the first call: it takes a third of a second and 40 MB, and most
    workers never need it.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any] | None = None

    def send(self, upload: Upload) -> Object:
        """Store an object. Raises OSError where it is a file that cannot be read."""
        with self._told():
            _, transfers = self._open()
            return upload.send(transfers, bucket=self._access.name)

    def link(self, key: str, *, seconds: int) -> str:
        """Sign a link to an object."""
        with self._told():
            client, _ = self._open()
            where = {"Bucket": self._access.name, "Key": key}
            return str(client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._told():
            client, _ = self._open()
            client.delete_object(Bucket=self._access.name, Key=key)

    def _open(self) -> tuple[Any, Any]:
        """Give the library's client, and its manager of uploads."""
        with self._lock:
            if self._opened is None:
                self._opened = self._connected()
            return self._opened

    def _connected(self) -> tuple[Any, Any]:
        import boto3  # noqa: PLC0415
        from boto3.s3.transfer import TransferConfig, create_transfer_manager  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        access = self._access
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=access.url,
            region_name=access.region,
            aws_access_key_id=access.key_id.get_secret_value(),
            aws_secret_access_key=access.secret.get_secret_value(),
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},  # R2, Amazon, MinIO: all of them take it
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_IDLE_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                # what boto3 adds by itself since 1.36 is not taken by every host
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        plan = TransferConfig(
            multipart_threshold=_LARGE_BYTES,
            multipart_chunksize=_PART_BYTES,
            preferred_transfer_client="classic",
        )
        return client, create_transfer_manager(client, plan)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the library's errors as ours."""
        import botocore.exceptions as theirs  # noqa: PLC0415

        bucket = self._access.name
        try:
            yield
        except theirs.ClientError as error:
            raise _judged(error.response, bucket=bucket) from error
        except (theirs.ConnectionError, theirs.HTTPClientError) as error:
            raise BucketUnreachable(bucket=bucket, reason=type(error).__name__) from error
        except theirs.BotoCoreError as error:
            raise BucketRefused(bucket=bucket, reason=type(error).__name__) from error


def _judged(answer: Mapping[str, Any], *, bucket: str) -> StorageError:
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # the host's message is left out: it may quote what was signed
    code = re.sub(r"\W", "", str(answer.get("Error", {}).get("Code", "")))[:60] or "error"
    reason = f"HTTP {status}" if code == str(status) else f"{code} (HTTP {status})"
    if (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR
        or status == HTTPStatus.TOO_MANY_REQUESTS
        or code in _HOSTS_FAULT
    ):
        return BucketUnreachable(bucket=bucket, reason=f"it keeps answering {reason}")
    return BucketRefused(bucket=bucket, reason=reason)
