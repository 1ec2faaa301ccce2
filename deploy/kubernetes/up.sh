#!/bin/sh
# Brings one environment up or to the next release: deploy/kubernetes/up.sh dev|staging|production
# The secrets of docs/operations.md exist before. Order: databases and roles, MLflow, Dagster, the rest by its own waits.
set -eu
environment=${1:?"which environment: dev, staging or production"}
case $environment in
    production) namespace=mlops ;;
    dev | staging) namespace=mlops-$environment ;;
    *) echo "no environment $environment: dev, staging or production" >&2; exit 2 ;;
esac
here=$(dirname "$0")

kubectl delete job mlops-migrate --namespace "$namespace" --ignore-not-found
kubectl apply --kustomize "$here/overlays/$environment"
kubectl wait job/mlops-migrate --namespace "$namespace" --for=condition=complete --timeout=30m
kubectl rollout status deployment/mlflow --namespace "$namespace" --timeout=10m

# Dagster runs the image that the overlay names
image=$(kubectl get deployment api --namespace "$namespace" --output jsonpath='{.spec.template.spec.containers[0].image}')
set --
for key in dagsterWebserver dagsterDaemon 'dagster-user-deployments.deployments[0]'; do
    set -- "$@" --set-string "$key.image.repository=${image%:*}" --set-string "$key.image.tag=${image##*:}"
done
helm upgrade --install dagster dagster --repo https://dagster-io.github.io/helm --version 1.13.27 \
    --namespace "$namespace" --values "$here/dagster.yaml" "$@" --wait --timeout 15m

for each in review front exporter; do
    kubectl rollout status "deployment/$each" --namespace "$namespace" --timeout=10m
done
# not awaited: the prediction API is ready with its first champion
kubectl get deployment api --namespace "$namespace"
