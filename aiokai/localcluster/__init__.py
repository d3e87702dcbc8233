"""A Kubernetes API server in one process, for trying and testing; never for production."""

from aiokai.localcluster.cluster import LocalCluster

__all__ = ["LocalCluster"]
