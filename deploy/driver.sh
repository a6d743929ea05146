#!/bin/sh
# Makes this container a Ray node that trains nothing, then becomes the driver: Ray wants a node where a driver runs.
# The container's end is the end of both. RAY_HEAD is the head's host and port.
set -eu
ray start --address="${RAY_HEAD:?}" --node-ip-address="$(hostname -i)" --num-cpus=0 --num-gpus=0 --disable-usage-stats \
    --object-store-memory=536870912
exec "$@"
