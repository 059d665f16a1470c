"""RunPod's own records of what endpoints cost (GET /v2/billing/serverless)."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import ValidationError

from planner.errors import AccountAnswerInvalid
from planner.money.cost import Part
from planner.money.cost_files import BillingRecord
from planner.money.management import Management

_BILLS: Final = "its records of billing"
_ENDPOINTS: Final = "its endpoints"
_MARK: Final = "PARLEY_DEPLOYMENT"
"""The variable by which Parley's deployments know their endpoints; it holds the shape."""


async def read_bills(
    management: Management, *, days: int, endpoint: str | None = None
) -> list[Part]:
    """Read what each endpoint cost on each of the last days, today included.

    The shape is known of endpoints that Parley deployed and that are still there.

    Args:
        management: is asked.
        days: how many, at least 1.
        endpoint: only this one, by id.

    Raises:
        AccountError: RunPod does not tell.

    """
    only = {"serverlessId": endpoint} if endpoint else {}
    query = {"bucketSize": "day", "lastN": str(days), **only}
    answer = await management.get("billing/serverless", what=_BILLS, query=query)
    try:
        records = [BillingRecord.model_validate(record) for record in answer["records"]]
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise AccountAnswerInvalid(what=_BILLS, reason=f"{place} is not as described") from None
    except (KeyError, TypeError):
        raise AccountAnswerInvalid(what=_BILLS, reason="it holds no records") from None
    return await named(management, records)


async def named(management: Management, records: Iterable[BillingRecord]) -> list[Part]:
    """Give records the names and shapes of their endpoints, as far as the account knows them.

    Raises:
        AccountError: RunPod does not tell.

    """
    answer = await management.get("serverless", what=_ENDPOINTS)
    listed = answer.get("endpoints")
    endpoints = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    names = {str(one.get("id")): str(one.get("name") or "") for one in endpoints}
    shapes = {str(one.get("id")): shape for one in endpoints if (shape := _shape(one))}
    return [record.part(names=names, shapes=shapes) for record in records]


def _shape(endpoint: dict[str, Any]) -> str | None:
    environment = endpoint.get("env")
    said = environment.get(_MARK) if isinstance(environment, dict) else None
    return said if said in {"single", "split", "orch"} else None
