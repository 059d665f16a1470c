"""Keeps workers running in the hours that a manifest names: to be called every some minutes."""

from collections.abc import Callable
from datetime import datetime

from deploy.manifest import Manifest
from deploy.platform import Platform
from deploy.wanted import least_workers, mine


async def warm(
    manifest: Manifest, *, platform: Platform, moment: datetime, tell: Callable[[str], None]
) -> bool:
    """Set the least number of workers to what the schedules say for this moment.

    What is right already is not touched, so calling it again changes nothing.

    Args:
        manifest: whose endpoints.
        platform: the account.
        moment: that counts; it knows its zone.
        tell: told each endpoint.

    Returns:
        Whether all endpoints of the shape were there.

    Raises:
        DeployError: RunPod did not do it; the next call tries again.

    """
    state = await platform.read()
    complete = True
    for table in manifest.endpoints:
        existing = mine(table.name, shape=manifest.shape, state=state)
        if existing is None:
            tell(f"{table.name} is not there: run `make deploy-{manifest.shape}`.")
            complete = False
            continue
        least, now = least_workers(table, moment), existing.spec.workers.least
        if least != now:
            await platform.set_workers(existing, least=least)
        changed = f"{now} -> {least}" if least != now else f"{least}"
        tell(f"{table.name} ({existing.id}): workers.min {changed}")
    return complete
