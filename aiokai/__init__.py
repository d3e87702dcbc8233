"""aiokai: a batch and GPU scheduler for Kubernetes."""
