"""Imports and touches what the orchestrator's worker uses; fails where something is missing."""  # noqa: INP001  a script

import aiohttp
import boto3
import pydantic_settings
import runpod

boto3.client("s3", region_name="auto", aws_access_key_id="a", aws_secret_access_key="b")  # noqa: S106
runpod.serverless.start  # noqa: B018  the SDK imports it late
aiohttp.ClientSession, pydantic_settings.BaseSettings  # noqa: B018
