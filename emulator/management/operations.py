"""What the management API can be asked, as its descriptions name it."""

from typing import Final

REST: Final = (
    *("listEndpoints", "createEndpoint", "getEndpoint", "updateEndpoint", "deleteEndpoint"),
    *("listEndpointWorkers", "listEndpointReleases", "getWorkerLogs"),
    *("listTemplates", "createTemplate", "getTemplate", "updateTemplate", "deleteTemplate"),
    *("listNetworkVolumes", "createNetworkVolume", "getNetworkVolume", "updateNetworkVolume"),
    *("deleteNetworkVolume", "listRegistries", "createRegistry", "getRegistry", "deleteRegistry"),
    *("listGpuTypes", "getGpuType", "listCpuTypes", "getCpuType"),
    *("listDataCenters", "getDataCenter", "listServerlessBilling"),
)
GRAPHQL: Final = (
    *("myself", "gpuTypes", "serverlessGpuPools"),
    *("saveEndpoint", "deleteEndpoint", "saveTemplate", "deleteTemplate"),
)
