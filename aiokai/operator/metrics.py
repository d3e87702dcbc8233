"""What the operator counts and measures, each name with its unit; served by the web app."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from aiokai.model.configuration import Web
from aiokai.operator.measurements import Measurements

_FAST_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One registry of our own, so that several operators can live in one test program."""

    def __init__(self, web: Callable[[], Web] = Web) -> None:
        """Count from zero. `web`: the settings as they are now."""
        self.registry = CollectorRegistry()
        on = self.registry
        self.cycle_duration_s = Histogram(
            "aiokai_cycle_duration_seconds",
            "From the snapshot to the last decision sent.",
            registry=on,
            buckets=_FAST_S,
        )
        self.session_duration_s = Histogram(
            "aiokai_session_duration_seconds", "What schedule() took of a cycle.", registry=on, buckets=_FAST_S
        )
        self.bind_duration_s = Histogram(
            "aiokai_bind_duration_seconds", "From the decision to the watch showing it.", registry=on, buckets=_FAST_S
        )
        self.cycle_failures = Counter("aiokai_cycle_failures", "Cycles that ended in an unforeseen error.", registry=on)
        self.pods_bound = Counter("aiokai_pods_bound", "Pods confirmed bound.", registry=on)
        self.pods_in_flight = Gauge("aiokai_pods_in_flight", "Pods decided and not yet confirmed.", registry=on)
        self.bindings_limit = Gauge("aiokai_bindings_limit", "Bindings that may be in flight at once.", registry=on)
        self.bind_failures = Counter(
            "aiokai_bind_failures", "Bindings after which the pod is proven not to be bound.", registry=on
        )
        self.gangs_stale = Counter(
            "aiokai_gangs_stale", "Decisions dropped because the cluster had changed under them.", registry=on
        )
        self.objects_invalid = Counter(
            "aiokai_objects_invalid", "Times an object was seen that cannot be used as it is.", ["kind"], registry=on
        )
        self.config_valid = Gauge(
            "aiokai_config_valid", "1 if the configuration file as it is now is in use.", registry=on
        )
        self.config_valid.set(1)
        self.measurements = Measurements(web, cycle=self.cycle_duration_s, bind=self.bind_duration_s)
        on.register(self.measurements)
