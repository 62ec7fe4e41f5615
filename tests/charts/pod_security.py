"""Kubernetes' Pod Security Standard `restricted`, as a pure function: pod → what it violates.

Every control of the standard in the version of Kubernetes 1.36, baseline and restricted
(https://kubernetes.io/docs/concepts/security/pod-security-standards/). Windows pods, which are exempt from parts of it,
are not known here. The admission of a real API server is asked in `test_pod_admission.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VOLUME_TYPES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
    "secret",
}
SAFE_SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"),
    *("net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")

Spec = dict[str, Any]


def violations(pod: Spec) -> list[str]:
    """What the profile `restricted` forbids in this pod, sorted; empty means admitted."""
    spec = pod["spec"]
    found = [*_pod_violations(pod, spec)]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            found += [f"{container['name']}: {text}" for text in _container_violations(spec, container)]
    return sorted(found)


def _pod_violations(pod: Spec, spec: Spec) -> Iterator[str]:
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(flag):
            yield f"{flag} must not be true"
    for volume in spec.get("volumes", []):
        for kind in sorted(set(volume) - {"name"} - VOLUME_TYPES):
            yield f"volume {volume['name']}: {kind} is not allowed"
    security = spec.get("securityContext", {})
    for sysctl in security.get("sysctls", []):
        if sysctl["name"] not in SAFE_SYSCTLS:
            yield f"sysctl {sysctl['name']} is not allowed"
    if security.get("runAsUser") == 0:
        yield "runAsUser must not be 0"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess must not be true"
    if security.get("seccompProfile", {}).get("type") == "Unconfined":
        yield "seccompProfile must not be Unconfined"
    yield from _selinux_and_apparmor(security)
    for name, value in pod.get("metadata", {}).get("annotations", {}).items():
        if name.startswith("container.apparmor.security.beta.kubernetes.io/") and value == "unconfined":
            yield f"{name} must not be unconfined"


def _container_violations(spec: Spec, container: Spec) -> Iterator[str]:
    of_pod, security = spec.get("securityContext", {}), container.get("securityContext", {})
    capabilities = security.get("capabilities", {})
    if security.get("privileged"):
        yield "privileged must not be true"
    if security.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation must be false"
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities must drop ALL"
    if extra := set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield f"capabilities {', '.join(sorted(extra))} must not be added"
    if security.get("runAsNonRoot", of_pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot must be true"
    if security.get("runAsUser") == 0:
        yield "runAsUser must not be 0"
    profile = security.get("seccompProfile", of_pod.get("seccompProfile", {})).get("type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile must be RuntimeDefault or Localhost"
    if security.get("procMount", "Default") != "Default":
        yield "procMount must be Default"
    if security.get("windowsOptions", {}).get("hostProcess"):
        yield "hostProcess must not be true"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort must not be set"
    yield from _selinux_and_apparmor(security)
    actions = [container.get(probe, {}) for probe in PROBES]
    actions += [container.get("lifecycle", {}).get(moment, {}) for moment in ("postStart", "preStop")]
    if any(action.get(kind, {}).get("host") for action in actions for kind in ("httpGet", "tcpSocket")):
        yield "probes and lifecycle hooks must not name a host"


def _selinux_and_apparmor(security: Spec) -> Iterator[str]:
    selinux = security.get("seLinuxOptions", {})
    if selinux.get("type", "") not in SELINUX_TYPES:
        yield f"SELinux type {selinux['type']} is not allowed"
    if selinux.get("user") or selinux.get("role"):
        yield "SELinux user and role must not be set"
    if security.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield "appArmorProfile must not be Unconfined"
