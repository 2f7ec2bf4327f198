#!/usr/bin/env bash
# How long `coalmine up --lab kind` takes, against what it cannot be faster than: a bare `kind create cluster` of the same
# node image, until its node and DNS are ready; then the time that each controller needs from its container's start until it is
# ready, one after the other; then Flagger's own time with the demo app, from its Canary's creation until it is initialized
# (ticks of its interval, 15 s). Images must be present: nothing is pulled.
#
#   benches/kind-up.sh [COALMINE [UP-ARGUMENT...]]
#   benches/kind-up.sh target/release/coalmine --router builtin --images my-images.yaml
#
# Needs docker, kind and kubectl. Both clusters are removed at the end. Prints seconds and the ratio.
set -euo pipefail

coalmine=$(realpath "${1:-target/release/coalmine}")
shift || true
name=bench-$$
export XDG_STATE_HOME
XDG_STATE_HOME=$(mktemp -d)
bare=$XDG_STATE_HOME/bare

end() {
  kind delete cluster --name "$name" --kubeconfig "$bare" >/dev/null 2>&1 || true
  docker network rm "$name" >/dev/null 2>&1 || true
  "$coalmine" down --lab "$name" >/dev/null 2>&1 || true
  rm -rf "$XDG_STATE_HOME"
}
trap end EXIT

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f", b - a }'; }

# coalmine's own first: its node image is asked of its cluster, so that both use the same.
began=$(now)
"$coalmine" up --lab kind --name "$name" --timings "$@"
up=$(since "$began")

node=coalmine-$name-control-plane
image=$(docker inspect --format '{{.Config.Image}}' "$node")
export KUBECONFIG=$XDG_STATE_HOME/coalmine/labs/$name/kubeconfig

# From each container's start until its pod was ready; whole seconds, as Kubernetes says them.
controllers=$(
  for namespace in flagger-system ingress-nginx nginx-gateway flux-system registry; do
    kubectl get pods --namespace "$namespace" --output jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.containerStatuses[0].state.running.startedAt}{" "}{.status.conditions[?(@.type=="Ready")].lastTransitionTime}{"\n"}{end}' 2>/dev/null
  done
)
sum=0
while read -r pod started ready; do
  [ -n "${ready:-}" ] || continue
  took=$(($(date -d "$ready" +%s) - $(date -d "$started" +%s)))
  printf '%8ss  %s\n' "$took" "$pod"
  sum=$((sum + took))
done <<<"$controllers"
read -r made initialized < <(kubectl get canary podinfo --namespace test \
  --output jsonpath='{.metadata.creationTimestamp}{" "}{.status.lastTransitionTime}{"\n"}')
canary=$(($(date -d "$initialized" +%s) - $(date -d "$made" +%s)))
unset KUBECONFIG
"$coalmine" down --lab "$name"

began=$(now)
KIND_EXPERIMENTAL_DOCKER_NETWORK=$name kind create cluster --name "$name" --image "$image" --kubeconfig "$bare" --wait 0s
kubectl --kubeconfig "$bare" wait --for=condition=Ready node --all --timeout 300s
kubectl --kubeconfig "$bare" --namespace kube-system rollout status deployment/coredns --timeout 300s
cluster=$(since "$began")

awk -v up="$up" -v cluster="$cluster" -v sum="$sum" -v canary="$canary" 'BEGIN {
  printf "\ncoalmine up          %7.1fs\nbare kind cluster    %7.1fs\ncontrollers, summed  %7.1fs\n", up, cluster, sum
  printf "demo app by Flagger  %7.1fs\nratio                %7.2f\n", canary, up / (cluster + sum + canary)
}'
