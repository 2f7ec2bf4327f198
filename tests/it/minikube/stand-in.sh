#!/bin/sh
# A stand-in for the minikube command: it behaves as minikube's documentation and source say (1.39), as far as coalmine asks;
# nobody recorded it. Behind it a cluster of kind takes the place of minikube's own node.
#
# STAND_IN_HOME    where it keeps its profiles (a file for each)
# STAND_IN_IMAGE   the node's image
# STAND_IN_FAIL    `start` ends like this file says: its lines are printed, and its last is the exit code
set -eu
mkdir -p "$STAND_IN_HOME"

profile=minikube
words=
for word in "$@"; do
    case $word in
    --profile=*) profile=${word#--profile=} ;;
    -p) profile= ;;
    *) if [ -z "$profile" ]; then profile=$word; else words="$words $word"; fi ;;
    esac
done
# shellcheck disable=SC2086
set -- $words
node=$profile-control-plane

event() {
    printf '{"specversion":"1.0","id":"1","source":"https://minikube.sigs.k8s.io/","type":"io.k8s.sigs.minikube.%s","datacontenttype":"application/json","data":%s}\n' "$1" "$2"
}

step() {
    event step "{\"currentstep\":\"$1\",\"message\":\"😄  $3\",\"name\":\"$2\",\"totalsteps\":\"19\"}"
}

in_node() {
    docker exec -i "$node" ctr --namespace=k8s.io images "$@"
}

case "$1 ${2:-}" in
"version --short")
    echo v1.39.0
    ;;
"profile list")
    list=
    for file in "$STAND_IN_HOME"/*; do
        [ -e "$file" ] || continue
        list="$list${list:+,}{\"Name\":\"$(basename "$file")\",\"Status\":\"Skipped\",\"Config\":{}}"
    done
    echo "{\"invalid\":[],\"valid\":[$list]}"
    ;;
"status "*)
    state=$(docker inspect --format '{{.State.Status}}' "$node" 2>/dev/null || echo gone)
    if [ "$state" = running ]; then is=Running; code=0; else is=Stopped; code=7; fi
    echo "{\"Name\":\"$profile\",\"Host\":\"$is\",\"Kubelet\":\"$is\",\"APIServer\":\"$is\",\"Kubeconfig\":\"Configured\",\"Worker\":false}"
    exit $code
    ;;
"start "*)
    case " $* " in *" --keep-context "*) ;; *) echo "the current context would change" >&2; exit 14 ;; esac
    step 0 "Initial Minikube Setup" "minikube v1.39.0 on Linux"
    if [ -n "${STAND_IN_FAIL:-}" ]; then
        head -n -1 "$STAND_IN_FAIL"
        exit "$(tail -n 1 "$STAND_IN_FAIL")"
    fi
    step 1 "Selecting Driver" "Using the docker driver based on user configuration"
    touch "$STAND_IN_HOME/$profile"
    step 5 "Pulling Base Image" "Pulling base image ..."
    event error '{"message":"❗  This container is having trouble accessing https://registry.k8s.io"}'
    if ! docker inspect "$node" >/dev/null 2>&1; then
        step 8 "Creating Container" "Creating docker container ..."
        KIND_EXPERIMENTAL_DOCKER_NETWORK=$profile kind create cluster --name "$profile" --image "$STAND_IN_IMAGE" \
            --kubeconfig "$KUBECONFIG.kind" --wait 60s >&2
    fi
    # minikube names the context after the profile, and leaves the current one alone when told so.
    sed -e "s/kind-$profile/$profile/" -e "s/^current-context: .*/current-context: \"\"/" "$KUBECONFIG.kind" >"$KUBECONFIG"
    rm "$KUBECONFIG.kind"
    step 11 "Preparing Kubernetes" "Preparing Kubernetes on containerd ..."
    step 17 "Verifying Kubernetes" "Verifying Kubernetes components..."
    step 19 "Done" "Done! kubectl is now configured to use \\\"$profile\\\" by default"
    ;;
"image ls")
    in_node list --quiet
    ;;
"image load")
    case " $* " in
    *" --daemon=true "*) docker save "$3" | in_node import --digests - >/dev/null ;;
    *) in_node import --digests - <"$3" >/dev/null ;;
    esac
    ;;
"image tag")
    in_node tag --force "$3" "$4" >/dev/null
    ;;
"delete "*)
    kind delete cluster --name "$profile" --kubeconfig "${KUBECONFIG:-/dev/null}" >&2
    docker network rm "$profile" >/dev/null 2>&1 || true
    rm -f "$STAND_IN_HOME/$profile"
    ;;
"logs "*)
    echo "nothing was logged"
    ;;
*)
    echo "Error: unknown command \"$*\" for \"minikube\"" >&2
    exit 14
    ;;
esac
