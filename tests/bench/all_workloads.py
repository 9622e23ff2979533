"""Every workload, in the order of the page.

What each one is stands in its own module.
"""

from tests.bench.chains import CHAIN_WORKLOADS
from tests.bench.collection import COLLECTION_WORKLOADS
from tests.bench.crowd import CROWD_WORKLOADS
from tests.bench.living import LIVING_WORKLOADS
from tests.bench.ports import PORT_WORKLOADS
from tests.bench.workloads import WORKLOADS

ALL = (
    *WORKLOADS,
    *CHAIN_WORKLOADS,
    *PORT_WORKLOADS,
    *CROWD_WORKLOADS,
    *LIVING_WORKLOADS,
    *COLLECTION_WORKLOADS,
)
