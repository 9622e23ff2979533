#!/usr/bin/env bash
# kubernetes.sh DIRECTORY [PART]...: build there, from Go modules, what tests/kubernetes drives. Heavy: up to an hour, so it is nice (NICE=10).
# Parts: etcd, kubernetes, containerd, crictl, policies; without any: these. More, for Kubernetes' own tests: e2e, critest, coredns.
set -euo pipefail

bin=$(realpath -m "$1")
shift
etcd=v3.7.3
kubernetes=v1.37.2
e2e=$kubernetes
containerd=v2.4.2
crictl=v1.37.0
critest=$crictl
coredns=v1.15.0
policies=v0.8.0
export CGO_ENABLED=0 GOFLAGS="-trimpath -mod=mod -buildvcs=false"

command -v go >/dev/null || { echo "kubernetes: no Go, so no Kubernetes $kubernetes" >&2; exit 1; }
mkdir -p "$bin"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A part whose file of that name in DIRECTORY/versions has this version is built already.
unless_built() { # PART VERSION
    [[ $(cat "$bin/versions/$1" 2>/dev/null) == "$2" ]] && return
    echo "kubernetes: building $1 $2 into $bin"
    rm -rf "${work:?}"/*
    (cd "$work" && "build_$1" "$2")
    mkdir -p "$bin/versions"
    echo "$2" >"$bin/versions/$1"
}

build() { # NAME PACKAGE [linker's words]
    nice -n "${NICE:-10}" go build -ldflags "-s -w ${3:-}" -o "$bin/$1" "$2"
}

build_test() { # NAME PACKAGE [linker's words]
    nice -n "${NICE:-10}" go test -c -vet=off -ldflags "-s -w ${3:-}" -o "$bin/$1" "$2"
}

directory_of() { # MODULE@VERSION
    go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# The modules of etcd's server and of etcdctl have no main package of their own.
build_etcd() {
    go mod init peers 2>/dev/null
    mkdir server ctl
    printf 'package main\n\nimport (\n\t"os"\n\n\t"go.etcd.io/etcd/server/v3/etcdmain"\n)\n\nfunc main() { etcdmain.Main(os.Args) }\n' >server/main.go
    printf 'package main\n\nimport "go.etcd.io/etcd/etcdctl/v3/ctlv3"\n\nfunc main() { ctlv3.MustStart() }\n' >ctl/main.go
    go get go.etcd.io/etcd/{server,etcdctl,etcdutl}/v3@"$1" 2>/dev/null
    build etcd ./server
    build etcdctl ./ctl
    build etcdutl go.etcd.io/etcd/etcdutl/v3
}

# Kubernetes replaces its staging modules by directories of its repository, which only its own module may do. A module with
# the same requirements replaces them by their releases, whose minor version is Kubernetes' own.
kubernetes_module() { # VERSION
    local from name edits=(-module=peers "-require=k8s.io/kubernetes@$1")
    from=$(directory_of "k8s.io/kubernetes@$1")
    install -m 644 "$from"/go.mod "$from"/go.sum .
    while read -r name; do
        edits+=("-replace=$name=$name@v0.${1#v1.}")
    done < <(sed -n 's,^\t\(k8s\.io/[a-z0-9-]*\) => \./staging/.*,\1,p' go.mod)
    go mod edit "${edits[@]}"
}

build_kubernetes() {
    local minor=${1#v1.} name package=k8s.io/component-base/version
    kubernetes_module "$1"
    for name in kubectl kubelet kube-proxy kube-scheduler kube-controller-manager kube-apiserver; do
        build "$name" "k8s.io/kubernetes/cmd/$name" \
            "-X $package.gitVersion=$1 -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
    done
}

# The tests of Kubernetes itself, what runs them, and the programs of the images that they start. Some tests read files of
# the source, which "source" leads to.
build_e2e() {
    local package=k8s.io/component-base/version name
    kubernetes_module "$1"
    for name in agnhost regression-issue-74839; do
        build "$name" "k8s.io/kubernetes/test/images/$name"
    done
    build ginkgo github.com/onsi/ginkgo/v2/ginkgo
    build_test e2e.test k8s.io/kubernetes/test/e2e "-X $package.gitVersion=$1"
    ln -sfn "$(directory_of "k8s.io/kubernetes@$1")" "$bin/source"
}

build_containerd() {
    local module=github.com/containerd/containerd/v2 name
    go mod init peers 2>/dev/null
    go get "$module@$1" 2>/dev/null
    for name in containerd containerd-shim-runc-v2 ctr; do
        build "$name" "$module/cmd/$name" "-X $module/version.Version=$1"
    done
}

build_crictl() {
    go mod init peers 2>/dev/null
    go get "sigs.k8s.io/cri-tools/cmd/crictl@$1" 2>/dev/null
    build crictl sigs.k8s.io/cri-tools/cmd/crictl
}

build_critest() {
    go mod init peers 2>/dev/null
    go get -t "sigs.k8s.io/cri-tools/cmd/critest@$1" 2>/dev/null
    build_test critest sigs.k8s.io/cri-tools/cmd/critest
}

# Of its fifty plugins those that a cluster and the tests need; many others need the libraries of clouds.
build_coredns() {
    local name module=github.com/coredns/coredns
    go mod init peers 2>/dev/null
    {
        printf 'package main\n\nimport (\n\t"%s/coremain"\n' "$module"
        for name in errors forward health hosts kubernetes log ready reload template; do
            printf '\t_ "%s/plugin/%s"\n' "$module" "$name"
        done
        printf ')\n\nfunc main() { coremain.Run() }\n'
    } >main.go
    go get "$module@$1" 2>/dev/null
    build coredns .
}

build_policies() {
    local module=sigs.k8s.io/kube-network-policies
    go mod init peers 2>/dev/null
    go get "$module/cmd@$1" 2>/dev/null
    build kube-network-policies "$module/cmd"
    install -m 644 "$(directory_of "$module@$1")/install.yaml" "$bin/kube-network-policies.yaml"
}

(($#)) || set -- etcd kubernetes containerd crictl policies
for part; do
    case $part in
        etcd | kubernetes | containerd | crictl | e2e | critest | coredns | policies) unless_built "$part" "${!part}" ;;
        *) echo "kubernetes: no part $part" >&2; exit 2 ;;
    esac
done
