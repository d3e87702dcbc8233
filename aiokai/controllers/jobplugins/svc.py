"""`svc`: the pods of a Job find each other by host names that are known before they run.

A headless Service named as the Job gives every pod `<pod>.<job>`. A ConfigMap lists these names, one file a task under
/etc/volcano and one variable a task, so that scripts written for Volcano find them where they look. It is written anew
when the Job is scaled; files in running pods follow, variables cannot. A NetworkPolicy keeps other pods out.
"""

from typing import Final

from aiokai.controllers.jobplugins.plugin import (
    Flags,
    JobPlugin,
    Json,
    PluginObject,
    PodPlace,
    all_containers,
    give_env,
)
from aiokai.dialects import PodKeys
from aiokai.model.job import Job, TaskSpec
from aiokai.model.resource import CONFIG_MAPS, NETWORK_POLICIES, SERVICES

MOUNT_PATH: Final = "/etc/volcano"
NOT_READY: Final = "publish-not-ready-addresses"
NO_POLICY: Final = "disable-network-policy"
HOSTS_ENV: Final = "inject-hosts-env"


def _change_pod(pod_spec: Json, place: PodPlace, flags: Flags) -> None:
    pod_spec["hostname"] = pod_spec.get("hostname") or place.name
    pod_spec["subdomain"] = pod_spec.get("subdomain") or place.job.metadata.name
    volume = _config_name(place.job)
    files = [{"key": file, "path": file} for file in map(_file, place.job.spec.tasks)]
    pod_spec["volumes"] = [
        *(pod_spec.get("volumes") or []),
        {"name": volume, "configMap": {"name": volume, "items": files}},
    ]
    variables = [
        {"name": key, "valueFrom": {"configMapKeyRef": {"name": volume, "key": key}}}
        for task in place.job.spec.tasks
        for key in ((_hosts_key(task), _number_key(task)) if flags[HOSTS_ENV] else (_number_key(task),))
    ]
    for container in all_containers(pod_spec):
        give_env(container, variables)
        container["volumeMounts"] = [
            *(container.get("volumeMounts") or []),
            {"name": volume, "mountPath": MOUNT_PATH},
        ]


def _objects(job: Job, flags: Flags, keys: PodKeys) -> tuple[PluginObject, ...]:
    name, selector = job.metadata.name, {keys.job: job.metadata.name}
    service = {"clusterIP": "None", "selector": selector, "publishNotReadyAddresses": flags[NOT_READY]}
    objects = [
        PluginObject(SERVICES, name, {"spec": service}),
        PluginObject(CONFIG_MAPS, _config_name(job), {"data": _names(job)}),
    ]
    if not flags[NO_POLICY]:
        pods = {"matchLabels": selector}
        policy = {"podSelector": pods, "ingress": [{"from": [{"podSelector": pods}]}], "policyTypes": ["Ingress"]}
        objects.append(PluginObject(NETWORK_POLICIES, name, {"spec": policy}))
    return tuple(objects)


def _names(job: Job) -> dict[str, str]:
    names: dict[str, str] = {}
    for task in job.spec.tasks:
        hosts = _hosts(job, task)
        names[_file(task)] = "".join(f"{host}\n" for host in hosts)
        names[_hosts_key(task)] = ",".join(hosts)
        names[_number_key(task)] = str(task.replicas)
    return names


def _hosts(job: Job, task: TaskSpec) -> list[str]:
    """Host names of the task's pods. A template that sets a host name gives all its pods this one."""
    template = task.template["spec"]
    domain = template.get("subdomain") or job.metadata.name
    if host := template.get("hostname"):
        return [f"{host}.{domain}"] if task.replicas else []
    return [f"{job.metadata.name}-{task.name}-{i}.{domain}" for i in range(task.replicas)]


def _config_name(job: Job) -> str:
    return f"{job.metadata.name}-svc"


def _file(task: TaskSpec) -> str:
    return f"{task.name}.host"


def _hosts_key(task: TaskSpec) -> str:
    return f"VC_{_variable_part(task)}_HOSTS"


def _number_key(task: TaskSpec) -> str:
    return f"VC_{_variable_part(task)}_NUM"


def _variable_part(task: TaskSpec) -> str:
    return task.name.upper().replace("-", "_")


SVC: Final = JobPlugin(_change_pod, _objects, {NOT_READY: False, NO_POLICY: False, HOSTS_ENV: True})
