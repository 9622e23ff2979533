"""Kubernetes as it is released, on private machines: API server, kubelet, kube-proxy, and cni-bridge below it."""
